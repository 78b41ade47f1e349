"""Codes in a cache: what is kept in blocks comes back whole or not at all."""

import numpy as np
import pytest
from numpy.testing import assert_array_equal

from classicvision.archive import arrays
from classicvision.cache import FeatureCache
from classicvision.classify import code_cache
from classicvision.classify.code_cache import get_codes, put_codes

KEY = "ab" + "0" * 62
ROW_BYTES = 4 * 3
CODES = np.arange(21, dtype=np.float32).reshape(7, 3)
OTHERS = {"codebook/words": np.eye(2)}


@pytest.fixture
def cache(tmp_path):
    return FeatureCache(tmp_path)


def files_of(cache):
    return sorted(cache.folder.glob("??/*.block"))


@pytest.mark.parametrize(
    ("n_bytes", "n_entries"), [(1, 7), (2 * ROW_BYTES, 4), (4 * ROW_BYTES - 1, 3), (7 * ROW_BYTES, 1), (2**20, 1)]
)
def test_codes_come_back_from_as_many_entries_as_it_takes(cache, monkeypatch, n_bytes, n_entries):
    monkeypatch.setattr(code_cache, "MAX_BLOCK_BYTES", n_bytes)
    put_codes(cache, KEY, CODES, OTHERS)
    assert len(files_of(cache)) == n_entries
    codes, others = get_codes(cache, KEY)
    assert_array_equal(codes, CODES, strict=True)
    assert list(others) == ["codebook/words"]
    assert_array_equal(others["codebook/words"], OTHERS["codebook/words"], strict=True)


@pytest.mark.parametrize("shape", [(0, 3), (3, 0)])
def test_codes_without_numbers_come_back(cache, shape):
    put_codes(cache, KEY, np.zeros(shape, np.float32), {})
    assert get_codes(cache, KEY)[0].shape == shape


def test_codes_that_no_entry_holds_are_kept(cache, monkeypatch):
    monkeypatch.setattr(code_cache, "MAX_BLOCK_BYTES", 2 * ROW_BYTES)
    monkeypatch.setattr(arrays, "MAX_BYTES", CODES.nbytes - 1)
    put_codes(cache, KEY, CODES, OTHERS)
    assert_array_equal(get_codes(cache, KEY)[0], CODES)


@pytest.mark.parametrize("number", range(4))
@pytest.mark.parametrize("damage", [lambda path: path.unlink(), lambda path: path.write_bytes(b"cut")])
def test_codes_of_which_a_block_is_missing_or_damaged_are_absent(cache, monkeypatch, number, damage):
    monkeypatch.setattr(code_cache, "MAX_BLOCK_BYTES", 2 * ROW_BYTES)
    put_codes(cache, KEY, CODES, OTHERS)
    damage(files_of(cache)[number])
    assert get_codes(cache, KEY) is None
    put_codes(cache, KEY, CODES, OTHERS)
    assert_array_equal(get_codes(cache, KEY)[0], CODES)


def test_codes_whose_writing_was_interrupted_are_absent(cache, monkeypatch):
    monkeypatch.setattr(code_cache, "MAX_BLOCK_BYTES", 2 * ROW_BYTES)
    put, n_put = FeatureCache.put, []

    def stop_at_the_last(cache, *entry):
        n_put.append(1)
        if len(n_put) == 4:
            raise KeyboardInterrupt
        put(cache, *entry)

    monkeypatch.setattr(FeatureCache, "put", stop_at_the_last)
    with pytest.raises(KeyboardInterrupt):
        put_codes(cache, KEY, CODES, OTHERS)
    assert len(files_of(cache)) == 3
    assert get_codes(cache, KEY) is None


def test_codes_kept_with_another_size_of_blocks_come_back(cache, monkeypatch):
    monkeypatch.setattr(code_cache, "MAX_BLOCK_BYTES", 2 * ROW_BYTES)
    put_codes(cache, KEY, CODES, OTHERS)
    monkeypatch.setattr(code_cache, "MAX_BLOCK_BYTES", 3 * ROW_BYTES)
    assert_array_equal(get_codes(cache, KEY)[0], CODES)


def test_codes_that_one_entry_has_without_saying_how_many_come_back(cache):
    cache.put(KEY, {"codes": CODES, **OTHERS})
    codes, others = get_codes(cache, KEY)
    assert_array_equal(codes, CODES)
    assert list(others) == ["codebook/words"]


def test_other_codes_are_other_entries(cache, monkeypatch):
    monkeypatch.setattr(code_cache, "MAX_BLOCK_BYTES", ROW_BYTES)
    put_codes(cache, KEY, CODES, {})
    put_codes(cache, "cd" + KEY[2:], -CODES, {})
    assert_array_equal(get_codes(cache, KEY)[0], CODES)
    assert_array_equal(get_codes(cache, "cd" + KEY[2:])[0], -CODES)
