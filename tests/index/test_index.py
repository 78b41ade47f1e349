"""An index on disk: what is put in is found, what is removed is not, and a snapshot does not change."""

import os
import pickle  # noqa: TID251 (as worker processes do)
import subprocess
import sys
import textwrap
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
from numpy.testing import assert_array_equal

from classicvision.errors import ArchiveError, IndexInUseError, SettingsError, UnsupportedVersionError
from classicvision.features.local import LocalFeatures
from classicvision.features.phash import unpack_signs
from classicvision.index import segment
from classicvision.index import writer as writer_module
from classicvision.index.index import Index
from classicvision.index.manifest import FileEntry, Manifest, owned_files
from classicvision.index.packed_features import pack_features, unpack_features
from classicvision.index.vocabulary import learn_vocabulary
from classicvision.index.writer import IndexWriter


def names(index):
    return sorted(image.path.name for image in index)


def test_an_added_image_is_stored_with_all_its_data(index, fill, make_features):
    (number,) = fill(index, [7])
    image = index.reopen().image(number)
    assert image.path == index.root / "7.jpg"
    assert image.content == f"{7:064x}"
    assert (image.image_size, image.n_keypoints) == ((480, 640), 60)
    expected = unpack_features(pack_features(make_features(60, 7)))
    assert_array_equal(index.reopen().features(number).descriptors, expected.descriptors)
    assert_array_equal(index.reopen().features(number).xy, expected.xy)


def test_a_snapshot_does_not_see_what_comes_after(index, fill):
    fill(index, [1, 2])
    before = index.reopen()
    fill(before, [3])
    assert names(before) == ["1.jpg", "2.jpg"]
    assert names(before.reopen()) == ["1.jpg", "2.jpg", "3.jpg"]


def test_a_snapshot_can_be_read_when_its_files_are_gone(index, fill, make_features):
    numbers = fill(index, *([seed] for seed in range(7)))
    before = index.reopen()
    old_files = [file.name for file in before.manifest.files]
    fill(index, [7])  # the eighth segment: all become one
    assert not any((index.folder / name).exists() for name in old_files if "segment" in name)
    assert_array_equal(before.features(numbers[3]).descriptors, make_features(60, 3).descriptors)
    assert names(before) == [f"{seed}.jpg" for seed in range(7)]


def test_a_removed_image_is_gone_and_its_number_is_not_used_again(index, fill):
    first, second = fill(index, [1, 2, 3])[:2]
    with IndexWriter(index) as writer:
        writer.remove(second)
    after = index.reopen()
    assert names(after) == ["1.jpg", "3.jpg"]
    assert first in after
    assert second not in after
    assert after.with_path(index.root / "2.jpg") is None
    assert after.with_content(f"{2:064x}") == ()
    with pytest.raises(KeyError, match=f"ID {second}"):
        after.features(second)
    assert fill(index, [4]) == [3]


def test_removing_what_is_not_there_is_a_key_error(index, fill):
    (number,) = fill(index, [1])
    with IndexWriter(index) as writer:
        writer.remove(number)
        with pytest.raises(KeyError):
            writer.remove(number)
        with pytest.raises(KeyError):
            writer.remove(77)


def test_an_image_at_the_same_path_replaces_the_earlier_one(index, fill, tmp_path, make_features, make_whole):
    (old,) = fill(index, [1])
    with IndexWriter(index) as writer:
        path = tmp_path / "library" / "1.jpg"
        writer.add(path, make_features(5, 99), make_whole(99), content="a" * 64, status=tmp_path.stat())
        new = writer.add(path, make_features(6, 98), make_whole(98), content="b" * 64, status=tmp_path.stat())
    after = index.reopen()
    assert after.ids.tolist() == [new]
    assert after.image(new).n_keypoints == 6
    assert old not in after


def test_exact_duplicates_are_found_by_content(index, tmp_path, make_features, make_whole):
    with IndexWriter(index) as writer:
        numbers = [
            writer.add(
                tmp_path / f"{name}.jpg", make_features(5, 1), make_whole(1), content="c" * 64, status=tmp_path.stat()
            )
            for name in ("one", "two")
        ]
    assert index.reopen().with_content("c" * 64) == tuple(numbers)
    assert index.reopen().with_content("c" * 63 + "d") == ()


def test_images_of_equal_pixels_are_found_whatever_their_files_until_they_are_removed(index, tmp_path, make_whole):
    with IndexWriter(index) as writer:
        one, other, third = (
            writer.add(
                tmp_path / f"{n}.jpg",
                LocalFeatures.empty((4, 5)),
                make_whole(0 if n < 2 else 1),
                content=f"{n:064}",
                status=tmp_path.stat(),
            )
            for n in range(3)
        )
    index = index.reopen()
    assert index.with_pixels(make_whole(0).pixels) == (one, other)
    assert index.image(third).whole.pixels == make_whole(1).pixels
    assert_array_equal(unpack_signs(index.hashes), [make_whole(n).signs for n in (0, 0, 1)])
    with IndexWriter(index) as writer:
        writer.remove(one)
    index = index.reopen()
    assert index.with_pixels(make_whole(0).pixels) == (other,)
    assert len(index.pixels) == len(index.hashes) == 2


def test_an_image_without_keypoints_is_in_the_index(index, tmp_path, make_whole):
    with IndexWriter(index) as writer:
        number = writer.add(
            tmp_path / "grey.jpg", LocalFeatures.empty((4, 5)), make_whole(0), content="0" * 64, status=tmp_path.stat()
        )
    assert len(index.reopen().features(number)) == 0
    assert index.reopen().info()["n_without_keypoints"] == 1


def test_size_time_and_content_are_those_of_the_file_unless_given(index, tmp_path, make_features, make_whole):
    (tmp_path / "library" / "x.bin").write_bytes(b"abc")
    with IndexWriter(index) as writer:
        number = writer.add(tmp_path / "library" / "x.bin", make_features(3, 0), make_whole(0))
    image = index.reopen().image(number)
    assert image.content == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
    assert (image.n_bytes, image.mtime_ns) == (3, (tmp_path / "library" / "x.bin").stat().st_mtime_ns)


@pytest.mark.parametrize("name", ["näme 日本.jpg", os.fsdecode(b"no text \xff.jpg"), "line\nbreak.jpg", "'\".jpg"])
def test_any_name_of_a_file_comes_back(index, tmp_path, make_features, name, make_whole):
    for folder in ("library", "elsewhere"):
        with IndexWriter(index) as writer:
            path = tmp_path / folder / name
            number = writer.add(path, make_features(3, 0), make_whole(0), content="0" * 64, status=tmp_path.stat())
        assert index.reopen().path(number) == path
        assert index.reopen().with_path(path) == number


def test_eight_small_segments_become_one_and_nothing_is_lost(index, fill, make_features):
    numbers = fill(index, *([seed] for seed in range(30)))
    after = index.reopen()
    assert len(after.segments) < 8
    assert after.ids.tolist() == numbers
    for seed, number in enumerate(numbers):
        assert_array_equal(after.features(number).descriptors, make_features(60, seed).descriptors)


def to_merge(sizes, removed=()):
    """Return which of segments with so many images become one, given IDs of removed images; IDs start at 0."""
    ends = np.cumsum(sizes, dtype=np.int64)
    segments = [
        SimpleNamespace(entry=SimpleNamespace(n_images=n), catalogue=SimpleNamespace(ids=np.arange(end - n, end)))
        for n, end in zip(sizes, ends.tolist(), strict=True)
    ]
    return writer_module._to_merge(segments, np.array(removed, np.int64))


@pytest.mark.parametrize(
    ("sizes", "merged"),
    [
        ([], None),
        ([1] * 7, None),
        ([1] * 8, slice(0, 8)),
        ([1] * 9, slice(1, 9)),
        ([2048, *[1] * 7], slice(0, 8)),
        ([2049, *[1] * 7], None),
        ([2049, *[1] * 8], slice(1, 9)),
        ([2048] * 3, None),
        ([2048] * 4, slice(0, 4)),
        ([2047, *[2048] * 3], None),
        ([2048] * 8, slice(0, 8)),
        ([4096] * 4, slice(0, 4)),
        ([4097, *[4096] * 3], None),
        ([9000, *[4096] * 4], slice(1, 5)),
    ],
)
def test_the_last_eight_small_or_four_large_segments_become_one(sizes, merged):
    assert to_merge(sizes) == merged


@pytest.mark.parametrize(
    ("removed", "merged"), [((0, 1), None), ((0, 1, 3), slice(0, 1)), ((4, 5, 6), slice(1, 2)), ((3, 4, 7), None)]
)
def test_a_segment_is_rewritten_if_more_than_half_of_its_images_are_removed(removed, merged):
    assert to_merge([4, 5], removed) == merged


def test_a_large_index_has_few_segments_and_no_image_is_written_more_than_four_times():
    sizes, n_written = [], []
    for _ in range(1000):
        sizes.append(256)
        n_written.append(1)
        while (run := to_merge(sizes)) is not None:
            sizes[run], n_written[run] = [sum(sizes[run])], [1 + max(n_written[run])]
    assert sum(sizes) == 256_000
    assert max(sizes) <= writer_module.MOST_MERGED
    assert len(sizes) < 40
    assert max(n_written) <= 4


@pytest.mark.parametrize(("n_removed", "expected"), [(10, None), (11, slice(0, 1))])
def test_a_segment_of_20_images_is_rewritten_when_more_than_half_are_removed(n_removed, expected):
    segment = SimpleNamespace(entry=SimpleNamespace(n_images=20), catalogue=SimpleNamespace(ids=np.arange(20)))
    assert writer_module._to_merge([segment], np.arange(n_removed)) == expected


def test_a_segment_that_is_mostly_removed_is_written_again_without_them(index, fill):
    numbers = fill(index, list(range(20)))
    size = index.reopen().info()["bytes_of"]["features"]
    with IndexWriter(index) as writer:
        for number in numbers[:15]:
            writer.remove(number)
    after = index.reopen()
    assert after.ids.tolist() == numbers[15:]
    assert after.info()["bytes_of"]["features"] == size / 4
    assert len(after.removed) == 0


def test_removing_everything_leaves_an_index_without_images(index, fill):
    numbers = fill(index, [1, 2])
    with IndexWriter(index) as writer:
        for number in numbers:
            writer.remove(number)
    after = index.reopen()
    assert (len(after), after.segments, list(after)) == (0, (), [])


def test_another_vocabulary_keeps_the_images(index, fill, make_features):
    numbers = fill(index, [1, 2, 3], [4])
    with IndexWriter(index) as writer:
        writer.remove(numbers[1])
        writer.relearn(learn_vocabulary([make_features(400, 5)], 8, 400, np.random.default_rng(0)))
    after = index.reopen()
    assert len(after.vocabulary) == 8
    assert names(after) == ["1.jpg", "3.jpg", "4.jpg"]
    assert after.n_images_of_words.max() <= 3
    assert {path.name for path in owned_files(after.folder)} == {file.name for file in after.manifest.files}


def test_postings_that_are_made_again_in_parts_are_those_made_together(index, fill, make_features, monkeypatch):
    fill(index, range(1, 8))
    words = learn_vocabulary([make_features(400, 5)], 8, 400, np.random.default_rng(0))
    with IndexWriter(index) as writer:
        writer.remove(2)
        writer.relearn(words)
        together = writer.index.segments
        monkeypatch.setattr(segment, "N_AT_ONCE", 2)
        writer.relearn(words)
    parts = index.reopen().segments
    assert [len(part.catalogue) for part in parts] == [len(one.catalogue) for one in together]
    for one, part in zip(together, parts, strict=True):
        for name in ("offsets", "rows", "signatures", "angles", "scales", "n_images_of"):
            assert_array_equal(getattr(part.postings, name), getattr(one.postings, name))
        assert [bytes(part.block(row)) for row in range(len(part.catalogue))] == [
            bytes(one.block(row)) for row in range(len(one.catalogue))
        ]


def test_a_snapshot_keeps_its_vocabulary_when_another_is_learned(index, fill, make_features, vocabulary):
    fill(index, [1, 2])
    before = index.reopen()
    with IndexWriter(index) as writer:
        writer.relearn(learn_vocabulary([make_features(400, 5)], 8, 400, np.random.default_rng(0)))
    assert_array_equal(before.vocabulary.words, vocabulary.words)


def test_what_is_not_committed_is_dropped_when_an_error_ends_the_writer(index, tmp_path, make_features, make_whole):
    def fail():
        with IndexWriter(index) as writer:
            writer.add(tmp_path / "a.jpg", make_features(3, 0), make_whole(0), content="0" * 64, status=tmp_path.stat())
            writer.commit()
            writer.add(tmp_path / "b.jpg", make_features(3, 1), make_whole(1), content="1" * 64, status=tmp_path.stat())
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fail()
    assert names(index.reopen()) == ["a.jpg"]
    with IndexWriter(index):  # the lock is free again
        pass


def test_a_second_writer_is_refused_with_the_process_of_the_first(index):
    with IndexWriter(index), pytest.raises(IndexInUseError, match=f"process {os.getpid()}"), IndexWriter(index):
        pass


def test_a_writer_leaves_no_lock_in_a_folder_that_is_not_an_index(tmp_path):
    with pytest.raises(ArchiveError, match="is not an index"), IndexWriter(tmp_path):
        pass
    assert list(tmp_path.iterdir()) == []


def test_the_lock_of_a_process_that_was_killed_is_not_a_lock(index, checkout):
    code = f"""
    import os, signal
    from classicvision import IndexWriter
    with IndexWriter({str(index.folder)!r}):
        os.kill(os.getpid(), signal.SIGKILL)
    """
    environment = os.environ | {"PYTHONPATH": str(checkout)}
    subprocess.run([sys.executable, "-c", textwrap.dedent(code)], env=environment, check=False)
    assert (index.folder / "writer.lock").read_text().strip().isdigit()
    with IndexWriter(index):
        pass


def test_stray_files_are_removed_by_the_next_writer_and_no_others(index, fill):
    fill(index, [1])
    names_of_strays = ("segment-000099.features", "removed-000098.ids", ".classicvision-0a.tmp")
    strays = [index.folder / name for name in names_of_strays]
    kept = index.folder / "notes.txt"
    for path in [*strays, kept]:
        path.write_bytes(b"x")
    index.reopen()
    assert all(path.exists() for path in strays)  # a reader removes nothing
    with IndexWriter(index):
        pass
    assert not any(path.exists() for path in strays)
    assert kept.exists()
    assert names(index.reopen()) == ["1.jpg"]


def test_a_folder_with_something_in_it_is_not_a_place_for_an_index(tmp_path, vocabulary):
    (tmp_path / "images").mkdir()
    (tmp_path / "images" / "a.jpg").write_bytes(b"x")
    with pytest.raises(SettingsError, match=r"a\.jpg.*another name"):
        Index.create(tmp_path / "images", vocabulary, root=tmp_path)


def test_an_index_is_not_overwritten(index, vocabulary, tmp_path):
    with pytest.raises(SettingsError, match="holds an index"):
        Index.create(index.folder, vocabulary, root=tmp_path)


def test_a_creation_that_was_stopped_can_be_done_again(tmp_path, vocabulary):
    (tmp_path / "new.cvindex").mkdir()
    (tmp_path / "new.cvindex" / "vocabulary-000001.cvwords").write_bytes(b"half")
    assert len(Index.create(tmp_path / "new.cvindex", vocabulary, root=tmp_path)) == 0


def test_a_reader_that_comes_between_a_manifest_and_its_files_starts_again(index, fill, monkeypatch):
    fill(index, *([seed] for seed in range(7)))
    old = Manifest.read(index.folder)
    fill(index, [7])  # all become one, so the files of the old manifest are gone
    manifests = iter([old, Manifest.read(index.folder)])
    monkeypatch.setattr(Manifest, "read", lambda folder: next(manifests))
    assert len(Index.open(index.folder)) == 8


def test_a_reader_that_a_writer_overtakes_again_and_again_sees_the_last_state(index, fill, monkeypatch):
    read, n_writes = Manifest.read.__func__, iter(range(3))

    def overtaken(cls, folder):
        manifest = read(cls, folder)
        if (n := next(n_writes, None)) is not None:  # eight segments, and one in their place
            monkeypatch.undo()
            fill(index, *([8 * n + seed] for seed in range(8)))
            monkeypatch.setattr(Manifest, "read", classmethod(overtaken))
        return manifest

    fill(index, [100])
    monkeypatch.setattr(Manifest, "read", classmethod(overtaken))
    assert len(Index.open(index.folder)) == 25
    assert next(n_writes, None) is None


def test_a_snapshot_has_its_words_when_the_index_has_learned_others(index, fill, vocabulary):
    fill(index, [1, 2])
    before = index.reopen()
    with IndexWriter(index) as writer:
        writer.relearn(replace(vocabulary, words=vocabulary.words + 1))
    assert_array_equal(before.vocabulary.words, vocabulary.words)
    assert_array_equal(index.reopen().vocabulary.words, vocabulary.words + 1)


def test_what_is_not_an_index_is_reported(tmp_path):
    with pytest.raises(ArchiveError, match=r"is not an index.*index build"):
        Index.open(tmp_path)
    with pytest.raises(ArchiveError, match="is not an index"):
        Index.open(tmp_path / "nothing")
    assert not Index.is_index(tmp_path)


def test_an_index_of_a_later_version_is_refused_by_its_number(index):
    path = index.folder / "manifest.json"
    path.write_text(path.read_text().replace('"format_version": 2', '"format_version": 3'))
    with pytest.raises(UnsupportedVersionError, match=r"version 3; this release reads up to 2\. Upgrade"):
        Index.open(index.folder)


def test_an_index_of_an_earlier_version_is_refused_with_the_remedy(index):
    path = index.folder / "manifest.json"
    path.write_text(path.read_text().replace('"format_version": 2', '"format_version": 1'))
    with pytest.raises(UnsupportedVersionError, match=r"version 1, .* build the index again with"):
        Index.open(index.folder)


def test_a_manifest_that_was_changed_is_refused(index):
    path = index.folder / "manifest.json"
    path.write_text(path.read_text().replace('"next_id": 0', '"next_id": 5'))
    with pytest.raises(ArchiveError, match="checksum"):
        Index.open(index.folder)


@pytest.mark.parametrize("name", ["../vocabulary-000001.cvwords", "/etc/passwd", "manifest.json", "a\\b", ""])
def test_a_manifest_that_names_a_file_elsewhere_is_refused(index, name):
    replace(index.manifest, vocabulary=FileEntry(name, 5, 0)).write(index.folder)  # with a checksum that is right
    with pytest.raises(ArchiveError, match="does not belong in an index"):
        Index.open(index.folder)


@pytest.mark.parametrize("kind", ["catalogue", "features", "postings"])
def test_a_file_that_is_missing_or_cut_is_named(index, fill, kind):
    fill(index, [1])
    (path,) = index.folder.glob(f"*.{kind}")
    data = path.read_bytes()
    path.write_bytes(data[:-1])
    with pytest.raises(ArchiveError, match=f"{kind} has .* bytes, expected"):
        Index.open(index.folder)
    path.unlink()
    with pytest.raises(ArchiveError, match=f"{kind} is missing"):
        Index.open(index.folder)


def test_a_reopened_index_shares_the_parsed_vocabulary_until_another_is_learned(index, fill, make_features):
    words = index.vocabulary
    fill(index, [1])
    assert index.reopen().vocabulary is words
    with IndexWriter(index) as writer:
        writer.relearn(learn_vocabulary([make_features(400, 5)], 8, 400, np.random.default_rng(0)))
    assert len(index.reopen().vocabulary) == 8


def test_an_index_that_is_sent_to_another_process_is_the_same_snapshot_there(index, fill):
    fill(index, [1, 2])
    before = index.reopen()
    sent = pickle.dumps(before)
    fill(index, [3])
    assert names(pickle.loads(sent)) == ["1.jpg", "2.jpg"]
    assert len(sent) < 5000


def test_an_index_whose_files_were_merged_before_another_process_mapped_them_is_the_newest_there(index, fill):
    fill(index, *([seed] for seed in range(7)))
    sent = pickle.dumps(index.reopen())
    fill(index, [7])  # the eighth segment: all are merged
    assert len(pickle.loads(sent)) == 8


def test_every_stored_path_leads_to_its_id(index, fill):
    numbers = fill(index, [1, 2])
    assert index.reopen().id_of_stored_path == {b"1.jpg": numbers[0], b"2.jpg": numbers[1]}


def test_an_index_is_shown_by_its_folder_its_library_and_its_size(index, fill):
    fill(index, [1, 2])
    assert repr(index.reopen()) == f"<Index {str(index.folder)!r}: 2 images of {str(index.root)!r}>"


def test_an_index_in_a_notebook_is_a_table_with_escaped_names(tmp_path, vocabulary):
    shown = Index.create(tmp_path / "a<b>.cvindex", vocabulary, root=tmp_path)._repr_html_()
    assert "a&lt;b&gt;.cvindex</td>" in shown
    assert "<th>images</th><td>0</td>" in shown
