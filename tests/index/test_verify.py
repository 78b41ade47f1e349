"""Damage: every flipped byte is found and named, and none leads to anything but an error or an equal answer."""

import numpy as np
import pytest

from classicvision.copies.candidates import find_candidates
from classicvision.errors import ArchiveError
from classicvision.index.index import Index
from classicvision.index.verify import find_damage
from classicvision.index.writer import IndexWriter


def test_a_sound_index_has_no_damage(index, fill):
    numbers = fill(index, [1, 2, 3], [4])
    with IndexWriter(index) as writer:
        writer.remove(numbers[0])
    assert find_damage(index.folder) == ()


@pytest.mark.parametrize("kind", ["catalogue", "features", "postings", "cvwords", "ids"])
def test_a_flipped_byte_is_found_in_the_file_that_has_it(index, fill, kind):
    numbers = fill(index, [1, 2, 3])
    with IndexWriter(index) as writer:
        writer.remove(numbers[0])
    (path,) = index.folder.glob(f"*.{kind}")
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)
    assert [(damage.path, damage.reason) for damage in find_damage(index.folder)] == [
        (path, "differs from its checksum")
    ]


def test_a_missing_and_a_cut_file_are_found(index, fill):
    fill(index, [1])
    (index.folder / "segment-000002.postings").unlink()
    path = index.folder / "segment-000002.features"
    path.write_bytes(path.read_bytes()[:-1])
    assert [damage.reason.split(",")[0] for damage in find_damage(index.folder)][1] == "is missing"
    assert "expected" in find_damage(index.folder)[0].reason


def test_progress_is_reported_file_by_file(index, fill):
    fill(index, [1])
    reported = []
    find_damage(index.folder, lambda done, total: reported.append((done, total)))
    assert reported == [(n, 4) for n in range(1, 5)]


def test_a_search_in_damaged_postings_is_an_error_or_an_answer(index, fill, make_features):
    fill(index, list(range(12)), n=80)
    path = index.folder / "segment-000002.postings"
    data = path.read_bytes()
    rng = np.random.default_rng(0)
    n_refused = 0
    for _ in range(150):
        damaged = bytearray(data)
        for _ in range(3):
            damaged[rng.integers(0, len(data))] = rng.integers(256)
        path.write_bytes(damaged)
        try:
            find_candidates(Index.open(index.folder), make_features(80, 3), limit=20)
        except ArchiveError as error:
            assert "segment-000002.postings" in str(error)  # noqa: PT017
            n_refused += 1
    assert n_refused > 0


def test_damaged_features_are_an_error_for_that_image_alone(index, fill):
    first, second = fill(index, [1, 2])
    path = index.folder / "segment-000002.features"
    data = bytearray(path.read_bytes())
    data[-100] ^= 255
    path.write_bytes(data)
    damaged = Index.open(index.folder)
    assert len(damaged.features(first)) == 60
    with pytest.raises(ArchiveError, match=r"segment-000002\.features is damaged"):
        damaged.features(second)


@pytest.mark.parametrize("place", [0.05, 0.5, 0.95])
def test_damaged_postings_are_not_written_into_a_sound_file(index, fill, place):
    fill(index, *([seed] for seed in range(7)))
    path = index.folder / "segment-000002.postings"
    data = bytearray(path.read_bytes())
    data[int(len(data) * place)] ^= 1
    path.write_bytes(data)
    with pytest.raises(ArchiveError, match=r"segment-000002\.postings is damaged"):
        fill(index, [7])  # the eighth segment: all become one
    assert [damage.path for damage in find_damage(index.folder)] == [path]
    assert len(Index.open(index.folder)) == 8  # what was added is there
