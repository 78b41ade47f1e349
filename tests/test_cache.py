"""The feature cache: get returns what was put, damaged entries count as missing, no write leaves a partial file."""

from __future__ import annotations

import copy
import gc
import os
import subprocess
import sys
import threading
from pathlib import Path

import numpy as np
import pytest
from numpy.testing import assert_array_equal

from classicvision.cache import STALE_SECONDS, FeatureCache, default_cache_folder
from classicvision.errors import CacheError

KEY = "ab" + "0" * 62


@pytest.fixture
def cache(tmp_path):
    return FeatureCache(tmp_path / "cache")


def entry_file(cache):
    return cache.folder / "ab" / ("0" * 62 + ".block")


def test_get_returns_what_was_put(cache):
    cache.put(KEY, {"xy": np.array([[1.5, 2.0]], np.float32), "empty": np.zeros((0, 128), np.uint8)})
    arrays = cache.get(KEY)
    assert_array_equal(arrays["xy"], np.array([[1.5, 2.0]], np.float32))
    assert arrays["empty"].shape == (0, 128)


def test_an_entry_is_one_file_in_the_shard_of_its_first_two_digits(cache):
    cache.put(KEY, {"a": np.arange(3)})
    assert [path for path in cache.folder.rglob("*") if path.is_file()] == [entry_file(cache)]


def test_a_key_that_was_never_put_is_missing(cache):
    assert KEY not in cache
    assert cache.get(KEY) is None


def test_a_second_put_replaces_the_first(cache):
    cache.put(KEY, {"a": np.array([1])})
    cache.put(KEY, {"a": np.array([2])})
    assert_array_equal(cache.get(KEY)["a"], [2])


def flip_last_byte(data):
    return data[:-1] + bytes([data[-1] ^ 1])


@pytest.mark.parametrize("damage", [flip_last_byte, lambda data: data[:-7], lambda data: b"", lambda data: b"text"])
def test_a_damaged_entry_counts_as_missing_and_is_deleted(cache, damage):
    cache.put(KEY, {"a": np.arange(16, dtype=np.int64)})
    entry_file(cache).write_bytes(damage(entry_file(cache).read_bytes()))
    assert cache.get(KEY) is None
    assert KEY not in cache


def test_an_entry_of_another_cache_object_for_the_folder_is_found(cache):
    cache.put(KEY, {"a": np.array([7])})
    assert KEY in FeatureCache(cache.folder)


def test_the_size_is_the_number_of_entries_and_their_bytes(cache):
    assert cache.size() == (0, 0)
    cache.put(KEY, {"a": np.arange(3)})
    assert cache.size() == (1, entry_file(cache).stat().st_size)


@pytest.mark.parametrize("key", ["", "ab", "AB" + "0" * 62, "../" + "0" * 61, "0" * 65])
def test_a_key_is_64_hexadecimal_digits(cache, key):
    with pytest.raises(ValueError, match="64 hexadecimal digits"):
        cache.get(key)


def test_opening_sweeps_only_temporary_files_that_are_old(cache):
    old, young = (cache.folder / "unfinished" / name for name in ("old.tmp", "young.tmp"))
    for path in (old, young):
        path.write_bytes(b"half")
    past = old.stat().st_mtime - STALE_SECONDS - 60
    os.utime(old, (past, past))
    FeatureCache(cache.folder)
    assert not old.exists()
    assert young.exists()


def test_a_write_that_fails_half_way_keeps_the_old_entry_and_leaves_no_other_file(cache):
    resource = pytest.importorskip("resource")
    cache.put(KEY, {"a": np.array([1])})
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (4096, limits[1]))  # the system refuses further writes, as on a full disk
    try:
        with pytest.raises(CacheError, match="cannot write to the cache folder"):
            cache.put(KEY, {"a": np.zeros(100_000)})
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert_array_equal(cache.get(KEY)["a"], [1])
    assert not list((cache.folder / "unfinished").iterdir())


def test_a_folder_that_cannot_be_created_is_an_error_with_the_remedy(tmp_path):
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(CacheError, match=r"file/cache.*--cache DIR.*--no-cache"):
        FeatureCache(tmp_path / "file" / "cache")


def test_an_entry_that_cannot_be_read_is_an_error_and_not_missing(cache):
    entry_file(cache).mkdir(parents=True)
    with pytest.raises(CacheError, match="cannot read the cache folder"):
        cache.get(KEY)


def test_a_reader_gets_complete_entries_while_several_write_the_same_key(cache):
    cache.put(KEY, {"a": np.zeros(5000)})

    def write(value):
        for _ in range(50):
            cache.put(KEY, {"a": np.full(5000, value)})

    writers = [threading.Thread(target=write, args=(value,)) for value in (1.0, 2.0, 3.0)]
    for writer in writers:
        writer.start()
    while any(writer.is_alive() for writer in writers):
        values = cache.get(KEY)["a"]
        assert len(values) == 5000
        assert (values == values[0]).all()
    for writer in writers:
        writer.join()


def test_a_temporary_cache_is_deleted_with_its_object_and_not_with_a_copy():
    cache = FeatureCache.temporary()
    folder = cache.folder
    duplicate = copy.copy(cache)
    assert duplicate == cache
    del duplicate
    gc.collect()
    assert folder.is_dir()
    del cache
    gc.collect()
    assert not folder.exists()


def test_a_temporary_cache_is_deleted_when_the_interpreter_exits(checkout):
    code = "from classicvision.cache import FeatureCache; cache = FeatureCache.temporary(); print(cache.folder)"
    run = subprocess.run([sys.executable, "-c", code], cwd=checkout, capture_output=True, text=True, check=True)
    assert not Path(run.stdout.strip()).exists()


def test_the_environment_variable_names_the_cache_folder(monkeypatch):
    monkeypatch.setenv("CLASSICVISION_CACHE", "/data/features")
    assert default_cache_folder() == Path("/data/features")


@pytest.mark.parametrize(
    ("platform", "variables", "folder"),
    [
        ("linux", {"XDG_CACHE_HOME": "/xdg"}, "/xdg/classicvision"),
        ("linux", {"XDG_CACHE_HOME": "relative"}, "/home/ada/.cache/classicvision"),
        ("linux", {}, "/home/ada/.cache/classicvision"),
        ("darwin", {}, "/home/ada/Library/Caches/classicvision"),
        ("win32", {"LOCALAPPDATA": "/local"}, "/local/classicvision"),
        ("win32", {}, "/home/ada/AppData/Local/classicvision"),
    ],
)
def test_otherwise_it_is_in_the_platforms_folder_for_caches(monkeypatch, platform, variables, folder):
    for name in ("CLASSICVISION_CACHE", "XDG_CACHE_HOME", "LOCALAPPDATA"):
        monkeypatch.delenv(name, raising=False)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(sys, "platform", platform)
    monkeypatch.setattr(Path, "home", lambda: Path("/home/ada"))
    assert default_cache_folder() == Path(folder)
