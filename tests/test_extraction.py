"""Extraction over many files: in order, cached by content, the same for any number of workers, failures listed."""

from __future__ import annotations

import gc
import os
import signal
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import pytest
from numpy.testing import assert_array_equal

from classicvision import extraction, workers
from classicvision.cache import FeatureCache
from classicvision.errors import CacheError, SettingsError
from classicvision.extraction import Failure, extract
from classicvision.features.local import LocalFeatures
from classicvision.features.sift import Sift
from classicvision.images import decode_image, write_image
from classicvision.items import Items, Joint
from classicvision.synthetic import canary

EXPLODING, REFUSED, DEADLY, TOO_LARGE = 201, 202, 203, 204  # grey values on which the fake extractor fails


@dataclass(frozen=True)
class Brightness:
    """A fake extractor: the vector of one number that is the first pixel's red, times `factor`."""

    kind: ClassVar[str] = "brightness"
    version: ClassVar[int] = 1

    factor: float = 1.0

    def __call__(self, image):
        value = int(image[0, 0, 0])
        if value == EXPLODING:
            raise RuntimeError("cannot\n  cope")
        if value == REFUSED:
            raise SettingsError("factor is wrong")
        if value == DEADLY:
            os.kill(os.getpid(), signal.SIGKILL)
        if value == TOO_LARGE:
            raise MemoryError
        return np.array([self.factor * value], np.float32)


@dataclass(frozen=True)
class Brightness2(Brightness):
    version: ClassVar[int] = 2


@dataclass(frozen=True)
class Wrong(Brightness):
    def __call__(self, image):
        return [1.0]


@dataclass(frozen=True)
class Fleeting(Brightness):
    """Its items are not cached."""

    cacheable: ClassVar[bool] = False


@pytest.fixture(autouse=True)
def workers_find_the_extractors_above(monkeypatch, checkout):
    monkeypatch.syspath_prepend(checkout)


@pytest.fixture
def cache(tmp_path):
    return FeatureCache(tmp_path / "cache")


@pytest.fixture
def images(tmp_path):
    """Return a function that writes a uniform image per grey value and returns their paths."""

    def write(*values):
        paths = [tmp_path / f"{row:03}.png" for row in range(len(values))]
        for path, value in zip(paths, values, strict=True):
            write_image(path, np.full((4, 4, 3), value, np.uint8))
        return paths

    return write


def values(items):
    return [float(item[0]) for item in items]


@pytest.mark.parametrize("n_jobs", [1, 2])
def test_items_are_in_the_order_of_the_paths_and_failures_separate(images, tmp_path, n_jobs):
    paths = [*images(10, EXPLODING, 30), tmp_path / "missing.png"]
    result = extract(paths, Brightness(), n_jobs=n_jobs)
    assert values(result.items) == [10, 30]
    assert_array_equal(result.rows, [0, 2])
    assert result.failures == (
        Failure(paths[1], "RuntimeError: cannot cope"),
        Failure(paths[3], "there is no such file; check the path"),
    )


def test_an_image_too_large_for_memory_is_a_failure(images):
    [failure] = extract(images(TOO_LARGE), Brightness()).failures
    assert failure.reason == "MemoryError"


def test_any_number_of_workers_gives_the_same_bits(tmp_path, shared):
    paths = sorted((shared / "data/scene15/coast").glob("*.jpg"))[:6]
    written = []
    for n_jobs in (1, 3):
        cache = FeatureCache(tmp_path / str(n_jobs))
        result = extract(paths, Sift(), cache=cache, n_jobs=n_jobs)
        blocks = {path.relative_to(cache.folder): path.read_bytes() for path in cache.folder.glob("??/*")}
        written.append((result.items.keys, blocks))
    assert len(written[0][1]) == 6
    assert written[0] == written[1]


def test_local_features_read_from_the_cache_are_unchanged(tmp_path):
    write_image(tmp_path / "a.png", canary())
    [item] = extract([tmp_path / "a.png"], Sift()).items
    expected = Sift()(canary())
    assert isinstance(item, LocalFeatures)
    assert item.image_size == expected.image_size
    for name in ("xy", "scale", "angle", "response", "descriptors"):
        assert_array_equal(getattr(item, name), getattr(expected, name))


def test_a_second_run_extracts_nothing_and_starts_no_worker(images, cache, monkeypatch):
    paths = images(10, 20, 30)
    assert extract(paths, Brightness(), cache=cache).n_cached == 0
    monkeypatch.setattr(Brightness, "__call__", None)
    monkeypatch.setattr(workers, "_start_pool", None)
    for n_jobs in (1, 2):
        again = extract(paths, Brightness(), cache=cache, n_jobs=n_jobs)
        assert again.n_cached == 3
        assert values(again.items) == [10, 20, 30]


def test_the_same_content_under_another_name_is_extracted_once(images, cache):
    paths = images(10, 10)
    result = extract(paths, Brightness(), cache=cache)
    assert result.items.keys[0] == result.items.keys[1]
    assert cache.size()[0] == result.n_cached == 1


@pytest.mark.parametrize("other", [Brightness(factor=2.0), Brightness2()])
def test_another_setting_or_version_is_extracted_again(images, cache, other):
    paths = images(10)
    before = extract(paths, Brightness(), cache=cache)
    after = extract(paths, other, cache=cache)
    assert after.n_cached == 0
    assert before.items.keys != after.items.keys


def test_other_content_under_the_same_name_is_extracted_again(images, cache):
    extract(images(10), Brightness(), cache=cache)
    assert values(extract(images(20), Brightness(), cache=cache).items) == [20]


def test_a_damaged_entry_is_extracted_again(images, cache):
    paths = images(10)
    extract(paths, Brightness(), cache=cache)
    [entry] = cache.folder.glob("??/*")
    entry.write_bytes(b"damaged")
    again = extract(paths, Brightness(), cache=cache)
    assert again.n_cached == 0
    assert values(again.items) == [10]


def test_the_image_that_kills_its_worker_is_the_only_failure(images):
    paths = images(10, 20, DEADLY, 40, 50, 60, 70, 80, 90)
    result = extract(paths, Brightness(), n_jobs=2)
    assert [failure.path for failure in result.failures] == [paths[2]]
    assert "killed its worker process twice" in result.failures[0].reason
    assert values(result.items) == [10, 20, 40, 50, 60, 70, 80, 90]


@pytest.mark.parametrize("n_jobs", [1, 2])
def test_an_invalid_setting_is_raised_and_not_listed(images, n_jobs):
    with pytest.raises(SettingsError, match="factor is wrong"):
        extract(images(10, REFUSED), Brightness(), n_jobs=n_jobs)


def test_an_extractor_that_returns_something_else_is_an_error(images):
    with pytest.raises(TypeError, match="returned list"):
        extract(images(10), Wrong())


def test_no_paths_give_no_items():
    result = extract([], Brightness(), n_jobs=2)
    assert (len(result.items), result.rows.shape, result.failures) == (0, (0,), ())


def test_zero_jobs_are_refused(images):
    with pytest.raises(SettingsError, match="n_jobs is 0"):
        extract(images(10), Brightness(), n_jobs=0)


def test_one_path_instead_of_a_list_is_refused():
    with pytest.raises(TypeError, match="a list of paths"):
        extract("image.jpg", Brightness())


@pytest.mark.parametrize("n_jobs", [1, 2])
def test_progress_counts_every_image(images, cache, n_jobs):
    paths = images(10, EXPLODING, 30)
    extract(paths[:1], Brightness(), cache=cache)
    calls = []
    extract(paths, Brightness(), cache=cache, n_jobs=n_jobs, progress=lambda done, total: calls.append((done, total)))
    assert calls == [(1, 3), (2, 3), (3, 3)]


def test_an_index_reads_one_item_and_a_selection_reads_none(images, monkeypatch):
    items = extract(images(10, 20, 30), Brightness()).items
    assert values([items[0], items[-1], items[np.int64(1)]]) == [10, 30, 20]
    with pytest.raises(IndexError):
        items[3]
    monkeypatch.setattr(FeatureCache, "get", None)
    for rows, chosen in [
        (slice(1, None), [1, 2]),
        (np.array([2, 0]), [2, 0]),
        (np.array([True, False, True]), [0, 2]),
        ([-1], [2]),
        ([], []),
    ]:
        assert isinstance(items[rows], Items)
        assert items[rows].keys == tuple(items.keys[row] for row in chosen)


def test_a_temporary_cache_lasts_as_long_as_any_of_its_items(images):
    result = extract(images(10, 20), Brightness())
    folder = result.items.cache.folder
    subset = result.items[1:]
    del result
    gc.collect()
    assert values(subset) == [20]
    del subset
    gc.collect()
    assert not folder.exists()


def test_an_item_deleted_from_the_cache_is_an_error(images, cache):
    items = extract(images(10), Brightness(), cache=cache).items
    next(cache.folder.glob("??/*")).unlink()
    with pytest.raises(CacheError, match="an entry is missing from the cache"):
        items[0]


@pytest.mark.parametrize("n_jobs", [1, 2])
def test_items_that_are_not_cached_are_recomputed_from_their_files(images, cache, n_jobs):
    paths = images(10, EXPLODING, 30, 40)
    found = extract(paths, Fleeting(factor=2.0), cache=cache, n_jobs=n_jobs)
    assert [failure.path for failure in found.failures] == [paths[1]]
    assert values(found.items) == [20, 60, 80]
    assert values(found.items[[2, 0]]) == [80, 20]
    assert values(found.items[1:]) == [60, 80]
    assert all(cache.get(key) == {} for key in found.items.keys)
    assert extract(paths, Fleeting(factor=2.0), cache=cache).n_cached == 3


def test_a_file_changed_or_deleted_before_its_item_is_recomputed_is_named(images, cache):
    paths = images(10, 20)
    found = extract(paths, Fleeting(), cache=cache)
    write_image(paths[0], np.full((4, 4, 3), 77, np.uint8))
    paths[1].unlink()
    with pytest.raises(CacheError, match=f"{paths[0].name} cannot be read again: it has changed"):
        found.items[0]
    with pytest.raises(CacheError, match=paths[1].name):
        found.items[1]


@dataclass(frozen=True)
class Both:
    """Two fake extractors side by side."""

    kind: ClassVar[str] = "both"

    parts: tuple = (Brightness(factor=2.0), Fleeting(factor=3.0))

    def __call__(self, image):
        return tuple(part(image) for part in self.parts)


@pytest.mark.parametrize("n_jobs", [1, 2])
def test_several_extractors_give_tuples_for_the_images_on_which_all_succeed(images, cache, n_jobs):
    paths = images(10, EXPLODING, 30)
    seen = []
    found = extract(paths, Both(), cache=cache, n_jobs=n_jobs, progress=lambda *at: seen.append(at))
    assert [tuple(float(part[0]) for part in item) for item in found.items] == [(20, 30), (60, 90)]
    assert [failure.path for failure in found.failures] == [paths[1]]
    assert_array_equal(found.rows, [0, 2])
    assert seen == [(done, 3) for done in range(1, 4)]
    assert [float(part[0]) for part in found.items[[1]][0]] == [60, 90]
    assert len(set(found.items.keys)) == 2
    assert found.items.recomputed
    assert extract(paths, Both(), cache=cache).n_cached == 2


def test_several_extractors_share_one_decoded_image(images, cache, monkeypatch):
    decoded = []
    monkeypatch.setattr(extraction, "decode_image", lambda data, path: decoded.append(path) or decode_image(data, path))
    paths = images(10, 20)
    found = extract(paths, Joint((Brightness(factor=2.0), Joint((Brightness(factor=3.0), Brightness(factor=5.0))))))
    assert decoded == paths
    assert [(float(a[0]), float(b[0]), float(c[0])) for a, (b, c) in found.items] == [(20, 30, 50), (40, 60, 100)]


def test_of_several_extractors_an_image_is_cached_when_all_its_parts_are(images, cache):
    paths = images(10, 20, 30)
    first, second = Both().parts
    extract(paths[:2], first, cache=cache)
    extract(paths[:1], second, cache=cache)
    assert extract(paths, Both(), cache=cache).n_cached == 1
    assert extract(paths, Both(), cache=cache).n_cached == 3
