"""Downloads from a local server: resuming, refusing wrong files, and what is kept or deleted."""

import multiprocessing
import re
from concurrent.futures import ProcessPoolExecutor

import pytest

from classicvision.backbone import download, transfer
from classicvision.backbone.download import is_offline, locate, pull
from classicvision.errors import BackboneError

MIB = 1 << 20


def names_in(folder):
    """Return the files in a folder; except the lock."""
    return sorted(path.name for path in folder.iterdir() if path.suffix != ".lock")


def test_the_downloaded_file_equals_the_servers(server, tmp_path):
    file = pull(server.entry(), tmp_path / "new" / "folder")
    assert file == tmp_path / "new" / "folder" / "net-7.onnx"
    assert file.read_bytes() == server.content
    assert names_in(file.parent) == ["net-7.onnx"]


def test_the_second_time_nothing_is_requested(server, tmp_path):
    pull(server.entry(), tmp_path)
    server.requests.clear()
    assert pull(server.entry(), tmp_path).read_bytes() == server.content
    assert server.requests == []


def test_a_broken_connection_is_resumed_from_the_last_byte(server, tmp_path):
    server.cuts = [300_000, 400_000]
    assert pull(server.entry(), tmp_path).read_bytes() == server.content
    assert [wanted for _, wanted in server.requests] == [None, "bytes=300000-", "bytes=700000-"]


def test_connections_that_make_progress_are_never_given_up(server, tmp_path):
    server.cuts = [100_000] * 10
    assert pull(server.entry(), tmp_path).read_bytes() == server.content
    assert len(server.requests) == 11


def test_a_response_with_another_range_is_refused_and_the_part_is_unchanged(server, tmp_path):
    (tmp_path / "net-7.onnx.part").write_bytes(server.content[:1000])
    server.misplaced = 5
    with pytest.raises(BackboneError, match=r"sent other bytes of .* than requested"):
        pull(server.entry(), tmp_path)
    assert (tmp_path / "net-7.onnx.part").read_bytes() == server.content[:1000]


def test_a_part_of_an_earlier_run_is_not_fetched_again(server, tmp_path):
    (tmp_path / "net-7.onnx.part").write_bytes(server.content[:1_000_000])
    assert pull(server.entry(), tmp_path).read_bytes() == server.content
    assert server.requests == [("/net-7.onnx", "bytes=1000000-")]


def test_a_complete_part_is_only_verified(server, tmp_path):
    (tmp_path / "net-7.onnx.part").write_bytes(server.content)
    assert pull(server.entry(), tmp_path).read_bytes() == server.content
    assert server.requests == []


def test_a_part_that_is_too_long_is_fetched_again(server, tmp_path):
    (tmp_path / "net-7.onnx.part").write_bytes(server.content + b"more")
    assert pull(server.entry(), tmp_path).read_bytes() == server.content
    assert server.requests == [("/net-7.onnx", None)]


def test_a_server_without_range_support_sends_the_file_from_the_first_byte(server, tmp_path):
    server.ranges = False
    server.cuts = [500_000]
    assert pull(server.entry(), tmp_path).read_bytes() == server.content
    assert [wanted for _, wanted in server.requests] == [None, "bytes=500000-"]


def test_connections_without_progress_are_given_up_and_the_part_is_kept(server, tmp_path):
    server.cuts = [300_000, *[0] * 20]
    with pytest.raises(BackboneError, match=r"300,000 of 1,048,576 bytes are kept.* again to resume"):
        pull(server.entry(), tmp_path)
    assert names_in(tmp_path) == ["net-7.onnx.part"]
    server.cuts = []
    assert pull(server.entry(), tmp_path).read_bytes() == server.content


def test_wrong_bytes_are_deleted_and_reported(server, tmp_path):
    right = server.content
    server.content = right[:-1] + b"?"
    with pytest.raises(
        BackboneError, match=r"is not net-7: it sent 1,048,576 bytes with SHA-256 .* The download was deleted"
    ):
        pull(server.entry(right), tmp_path)
    assert names_in(tmp_path) == []


def test_a_wrong_part_is_deleted_and_the_next_run_succeeds(server, tmp_path):
    (tmp_path / "net-7.onnx.part").write_bytes(b"x" * 1000)
    with pytest.raises(BackboneError, match="The download was deleted"):
        pull(server.entry(), tmp_path)
    assert pull(server.entry(), tmp_path).read_bytes() == server.content


def test_a_file_of_another_size_is_refused_before_it_is_fetched(server, tmp_path):
    entry = server.entry(n_bytes=MIB - 5)
    with pytest.raises(BackboneError, match=r"has 1,048,576 bytes, expected 1,048,571"):
        pull(entry, tmp_path)
    assert names_in(tmp_path) == []


def test_a_file_shorter_than_the_part_is_another_file(server, tmp_path):
    entry = server.entry()
    server.content = server.content[:1000]
    (tmp_path / "net-7.onnx.part").write_bytes(b"x" * 2000)
    with pytest.raises(BackboneError, match=r"has 1,000 bytes, expected 1,048,576"):
        pull(entry, tmp_path)
    assert names_in(tmp_path) == []


def test_an_endless_response_is_stopped_soon_after_the_expected_size(server, tmp_path):
    entry = server.entry(server.content[:1000])
    server.content *= 64
    server.states_length = False
    with pytest.raises(BackboneError, match="The download was deleted") as caught:
        pull(entry, tmp_path)
    n_bytes = int(re.search(r"([\d,]+) bytes", str(caught.value))[1].replace(",", ""))
    assert 1000 < n_bytes <= 1000 + transfer.BLOCK
    assert names_in(tmp_path) == []


def test_a_response_without_a_length_is_accepted(server, tmp_path):
    server.states_length = False
    assert pull(server.entry(), tmp_path).read_bytes() == server.content


def test_404_is_an_immediate_error_with_the_url(server, tmp_path):
    server.statuses = [404]
    with pytest.raises(BackboneError, match=rf"404 Not Found for {server.url}/net-7.onnx"):
        pull(server.entry(), tmp_path)
    assert len(server.requests) == 1


def test_a_busy_server_gets_another_request(server, tmp_path):
    server.statuses = [503, 429]
    assert pull(server.entry(), tmp_path).read_bytes() == server.content


def test_a_redirect_is_followed_and_keeps_the_range(server, tmp_path):
    (tmp_path / "net-7.onnx.part").write_bytes(server.content[:10])
    assert pull(server.entry(url=f"{server.url}/moved/net-7.onnx"), tmp_path).read_bytes() == server.content
    assert server.requests[-1] == ("/net-7.onnx", "bytes=10-")


def test_a_refused_connection_is_an_error_that_says_what_to_check(server, tmp_path):
    entry = server.entry()
    server.server_close()
    with pytest.raises(BackboneError, match=r"could not be fetched .* 0 of 1,048,576 bytes are kept. Check the conn"):
        pull(entry, tmp_path)


@pytest.mark.parametrize("url", ["file:///etc/passwd", "ftp://example.org/net.onnx", "net.onnx"])
def test_a_url_that_is_not_http_is_refused(server, tmp_path, url):
    with pytest.raises(BackboneError, match="not a URL to download from"):
        pull(server.entry(url=url), tmp_path)


def test_a_damaged_file_is_replaced(server, tmp_path):
    (tmp_path / "net-7.onnx").write_bytes(b"?" * MIB)
    assert pull(server.entry(), tmp_path).read_bytes() == server.content


def test_the_file_keeps_its_old_content_until_the_new_one_is_complete(server, tmp_path):
    (tmp_path / "net-7.onnx").write_bytes(b"old")
    server.cuts = [1000] + [0] * 20
    with pytest.raises(BackboneError):
        pull(server.entry(), tmp_path)
    assert (tmp_path / "net-7.onnx").read_bytes() == b"old"


def test_a_folder_that_cannot_be_created_is_an_error_that_names_it(server, tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(BackboneError, match=r"file.*cannot be written .*choose another folder"):
        pull(server.entry(), tmp_path / "file")


def test_progress_begins_where_the_part_ends_and_ends_at_the_total(server, tmp_path):
    (tmp_path / "net-7.onnx.part").write_bytes(server.content[:1_000_000])
    calls = []
    pull(server.entry(), tmp_path, progress=lambda done, total: calls.append((done, total)))
    assert all(1_000_000 < done <= MIB and total == MIB for done, total in calls)
    assert calls == sorted(calls)
    assert calls[-1] == (MIB, MIB)


def test_two_concurrent_processes_download_once(server, tmp_path):
    server.pause = 1.0
    with ProcessPoolExecutor(2, mp_context=multiprocessing.get_context("spawn")) as pool:
        files = [pool.submit(pull, server.entry(), tmp_path) for _ in range(2)]
        assert {file.result(timeout=120) for file in files} == {tmp_path / "net-7.onnx"}
    assert (tmp_path / "net-7.onnx").read_bytes() == server.content
    assert len(server.requests) == 1


def test_offline_an_existing_file_is_enough(server, tmp_path):
    pull(server.entry(), tmp_path)
    server.requests.clear()
    assert pull(server.entry(), tmp_path, offline=True).is_file()
    assert server.requests == []


def test_offline_a_missing_file_is_an_error_and_no_request(server, tmp_path):
    with pytest.raises(BackboneError, match=r"does not exist, and downloads are disabled .*backbone pull net-7"):
        pull(server.entry(), tmp_path, offline=True)
    assert server.requests == []


def test_the_environment_variable_disables_downloads(server, tmp_path, monkeypatch):
    monkeypatch.setenv("CLASSICVISION_OFFLINE", "1")
    with pytest.raises(BackboneError, match="CLASSICVISION_OFFLINE"):
        pull(server.entry(), tmp_path)
    assert server.requests == []


@pytest.mark.parametrize(("value", "offline"), [("1", True), ("yes", True), ("0", False), ("", False), ("No", False)])
def test_the_environment_variable_accepts_common_spellings(value, offline, monkeypatch):
    monkeypatch.setenv("CLASSICVISION_OFFLINE", value)
    assert is_offline() == offline


def test_a_path_is_located_as_it_is(tmp_path):
    (tmp_path / "my.onnx").touch()
    assert locate(tmp_path / "my.onnx") == tmp_path / "my.onnx"


def test_a_name_is_located_in_the_cache_folder_of_the_environment(tmp_path, monkeypatch):
    monkeypatch.setenv("CLASSICVISION_CACHE", str(tmp_path))
    (tmp_path / "backbones").mkdir()
    (tmp_path / "backbones" / "resnet18-v1-7.onnx").touch()
    assert locate("resnet18-v1") == tmp_path / "backbones" / "resnet18-v1-7.onnx"


def test_a_name_that_was_not_downloaded_is_an_error_that_says_how(tmp_path):
    with pytest.raises(BackboneError, match="classicvision backbone pull resnet18-v1-7"):
        locate("resnet18-v1", tmp_path)


@pytest.mark.parametrize("path", ["absent.onnx", "some/where"])
def test_a_missing_path_is_not_taken_for_a_name(path, tmp_path):
    with pytest.raises(BackboneError, match="there is no file"):
        locate(path, tmp_path)


def test_the_folder_is_that_of_the_cache(tmp_path, monkeypatch):
    monkeypatch.setenv("CLASSICVISION_CACHE", str(tmp_path))
    assert download.default_folder() == tmp_path / "backbones"
