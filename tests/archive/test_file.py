"""Archives: they round-trip, every zip tool opens them, and writing one never loses another."""

import os
import zipfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from numpy.testing import assert_array_equal

from classicvision.archive import FORMAT_VERSION, read_archive, write_archive
from classicvision.errors import ArchiveError

MANIFEST = {"kind": "toy", "classes": ["bark", "Ähre"], "cost": 0.1}
ARRAYS = {
    "codebook/words": np.arange(6, dtype=np.float32).reshape(2, 3),
    "count": np.array(5, np.int64),
    "none": np.zeros((0, 128), np.uint8),
}

any_array = hnp.arrays(
    dtype=st.sampled_from(("?", "i1", "<i2", "<i4", "<i8", "u1", "<u2", "<u4", "<u8", "<f2", "<f4", "<f8")),
    shape=hnp.array_shapes(min_dims=0, max_dims=4, min_side=0, max_side=4),
)
any_name = st.from_regex(r"[a-z0-9_]{1,8}(/[a-z0-9_]{1,8}){0,2}", fullmatch=True)
any_json = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)
any_manifest = st.dictionaries(
    st.text().filter(lambda key: key not in ("format", "format_version", "arrays")), any_json, max_size=4
)


@pytest.fixture(scope="module")
def path(tmp_path_factory):
    return tmp_path_factory.mktemp("archive") / "toy.cvmodel"


def assert_holds(archive, manifest, arrays):
    assert {key: archive.manifest[key] for key in manifest} == manifest
    assert set(archive.arrays) == set(arrays)
    for name, array in arrays.items():
        assert_array_equal(archive.arrays[name], array, strict=True)


@settings(max_examples=50)
@given(manifest=any_manifest, arrays=st.dictionaries(any_name, any_array, max_size=4))
def test_every_manifest_and_all_arrays_round_trip(path, manifest, arrays):
    write_archive(path, manifest, arrays)
    assert_holds(read_archive(path), manifest, arrays)


def test_arrays_in_another_order_or_with_gaps_round_trip_with_the_same_values(path):
    grid = np.arange(24.0).reshape(4, 6)
    arrays = {"fortran": np.asfortranarray(grid), "transposed": grid.T, "gaps": grid[::2, ::-3]}
    write_archive(path, {}, arrays)
    assert_holds(read_archive(path), {}, arrays)


def test_arrays_read_are_aligned_and_read_only(path):
    write_archive(path, MANIFEST, ARRAYS)
    for array in read_archive(path).arrays.values():
        assert array.flags.aligned
        assert not array.flags.writeable


def test_equal_content_in_any_order_gives_equal_bytes(path):
    write_archive(path, MANIFEST, ARRAYS)
    first = path.read_bytes()
    write_archive(path, dict(reversed(MANIFEST.items())), dict(reversed(ARRAYS.items())))
    assert path.read_bytes() == first


def test_the_manifest_has_the_format_the_version_and_every_array(path):
    write_archive(path, MANIFEST, {"n": np.array([1, 2], np.uint8)})
    manifest = read_archive(path).manifest
    assert manifest["format"] == "classicvision archive"
    assert manifest["format_version"] == FORMAT_VERSION
    # The SHA-256 of the bytes 01 02, by sha256sum.
    sha256 = "a12871fee210fb8619291eaea194581cbd2531e4b23759d225f6806923f63222"
    assert manifest["arrays"] == {"n": {"dtype": "|u1", "shape": [2], "sha256": sha256}}


def test_zipfile_finds_every_member_intact_and_numpy_reads_every_array(path):
    write_archive(path, MANIFEST, ARRAYS)
    with zipfile.ZipFile(path) as archive:
        assert archive.testzip() is None
        assert archive.namelist() == ["manifest.json", *(f"arrays/{name}.npy" for name in sorted(ARRAYS))]
        for name, array in ARRAYS.items():
            with archive.open(f"arrays/{name}.npy") as member:
                assert_array_equal(np.lib.format.read_array(member, allow_pickle=False), array, strict=True)


def test_the_file_of_format_version_1_is_still_read_and_still_written(checkout, path):
    golden = checkout / "tests" / "golden" / "archive-1.cvmodel"
    assert_holds(read_archive(golden), MANIFEST, ARRAYS)
    write_archive(path, MANIFEST, ARRAYS)
    assert path.read_bytes() == golden.read_bytes()


@pytest.mark.parametrize(
    ("manifest", "arrays", "words"),
    [
        ({"format": "mine"}, {}, "reserved key(s) format"),
        ({"seed": np.int64(3)}, {}, "JSON does not support"),
        ({"cost": float("nan")}, {}, "JSON does not support"),
        ({"names": "x" * 2**22}, {}, "Store long lists as arrays"),
        ({}, {"a": np.array([None])}, "dtype '|O'"),
        ({}, {"../a": np.zeros(1)}, "lower-case"),
    ],
)
def test_unsupported_content_is_refused_before_anything_is_written(tmp_path, manifest, arrays, words):
    with pytest.raises(ArchiveError, match="toy") as caught:
        write_archive(tmp_path / "toy.cvmodel", manifest, arrays)
    assert words in str(caught.value)
    assert list(tmp_path.iterdir()) == []


def test_more_than_can_be_read_back_is_not_written(tmp_path, monkeypatch):
    monkeypatch.setattr("classicvision.archive.file.DEFAULT_MAX_BYTES", 1000)
    with pytest.raises(ArchiveError, match="bytes in 1 arrays are too many"):
        write_archive(tmp_path / "toy.cvmodel", {}, {"a": np.zeros(1000, np.uint8)})
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("error", [KeyboardInterrupt, OSError, MemoryError])
@pytest.mark.parametrize("step", ["os.fsync", "pathlib.Path.replace", "zlib.crc32"])
def test_an_interrupted_write_keeps_the_earlier_file_and_leaves_nothing_else(tmp_path, monkeypatch, step, error):
    path = tmp_path / "toy.cvmodel"
    write_archive(path, MANIFEST, ARRAYS)
    earlier = path.read_bytes()

    def interrupted(*_):
        raise error

    with monkeypatch.context() as patch:
        patch.setattr(step, interrupted)
        with pytest.raises(error):
            write_archive(path, MANIFEST, {})
    assert path.read_bytes() == earlier
    assert list(tmp_path.iterdir()) == [path]


def test_the_file_gets_the_permissions_that_any_new_file_gets(tmp_path):
    write_archive(tmp_path / "toy.cvmodel", {}, {})
    (tmp_path / "plain").touch()
    assert (tmp_path / "toy.cvmodel").stat().st_mode == (tmp_path / "plain").stat().st_mode


def test_a_folder_that_does_not_exist_is_an_os_error(tmp_path):
    with pytest.raises(FileNotFoundError):
        write_archive(tmp_path / "no" / "toy.cvmodel", {}, {})


def test_paths_may_be_text_and_need_not_be_ascii(tmp_path):
    name = os.fspath(tmp_path / "modèle à moi.cvmodel")
    write_archive(name, MANIFEST, ARRAYS)
    assert_holds(read_archive(name), MANIFEST, ARRAYS)
    assert Path(name).is_file()
