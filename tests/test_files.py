"""Files that are written whole or not at all."""

import pytest

from classicvision.files import write_atomically


def test_the_pieces_become_the_file(tmp_path):
    write_atomically(tmp_path / "a.bin", [b"ab", memoryview(b"cd")], sync=True)
    assert (tmp_path / "a.bin").read_bytes() == b"abcd"
    assert [path.name for path in tmp_path.iterdir()] == ["a.bin"]


def test_an_earlier_file_is_replaced(tmp_path):
    (tmp_path / "a.bin").write_bytes(b"a longer file than the next")
    write_atomically(tmp_path / "a.bin", [b"new"])
    assert (tmp_path / "a.bin").read_bytes() == b"new"


def test_a_link_stays_and_the_file_behind_it_is_written(tmp_path):
    (tmp_path / "models").mkdir()
    (tmp_path / "models" / "a.bin").write_bytes(b"old")
    (tmp_path / "best.bin").symlink_to("models/a.bin")
    write_atomically(tmp_path / "best.bin", [b"new"], sync=True)
    assert (tmp_path / "best.bin").is_symlink()
    assert (tmp_path / "models" / "a.bin").read_bytes() == b"new"
    assert [path.name for path in (tmp_path / "models").iterdir()] == ["a.bin"]


@pytest.mark.parametrize("error", [OSError, KeyboardInterrupt])
def test_a_failure_keeps_the_earlier_file_and_leaves_no_other(error, tmp_path):
    def pieces():
        yield b"half"
        raise error

    (tmp_path / "a.bin").write_bytes(b"earlier")
    with pytest.raises(error):
        write_atomically(tmp_path / "a.bin", pieces())
    assert (tmp_path / "a.bin").read_bytes() == b"earlier"
    assert [path.name for path in tmp_path.iterdir()] == ["a.bin"]


def test_the_temporary_file_is_in_the_given_folder(tmp_path):
    (tmp_path / "unfinished").mkdir()
    seen = []

    def pieces():
        seen.extend(path.parent.name for path in (tmp_path / "unfinished").iterdir())
        yield b"x"

    write_atomically(tmp_path / "a.bin", pieces(), temporary_folder=tmp_path / "unfinished")
    assert seen == ["unfinished"]
    assert not list((tmp_path / "unfinished").iterdir())


def test_a_missing_folder_is_an_os_error_that_names_only_the_file(tmp_path):
    path = tmp_path / "nowhere" / "a.bin"
    with pytest.raises(FileNotFoundError) as error:
        write_atomically(path, [b"x"])
    assert str(error.value) == f"[Errno 2] No such file or directory: '{path}'"
