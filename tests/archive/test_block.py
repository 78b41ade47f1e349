"""Blocks: arrays round-trip, and any damage is detected."""

import json
import tracemalloc
import zlib

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from numpy.testing import assert_array_equal

from classicvision.archive import pack_arrays, unpack_arrays
from classicvision.errors import ArchiveError, UnsafeArchiveError

DTYPES = ("?", "i1", "<i2", "<i4", "<i8", "u1", "<u2", "<u4", "<u8", "<f2", "<f4", "<f8")

any_array = hnp.arrays(
    dtype=st.sampled_from(DTYPES),
    shape=hnp.array_shapes(min_dims=0, max_dims=4, min_side=0, max_side=5),
)
any_name = st.from_regex(r"[a-z0-9_]{1,8}(/[a-z0-9_]{1,8}){0,2}", fullmatch=True)
some_arrays = st.dictionaries(any_name, any_array, max_size=4)

SMALL = pack_arrays({"xy": np.array([[1.5, 2.0]], np.float32), "n": np.array(7, np.uint8)})


def assert_same(back, arrays):
    assert set(back) == set(arrays)
    for name, array in arrays.items():
        assert_array_equal(back[name], array, strict=True)


@settings(max_examples=50)
@given(some_arrays)
def test_every_array_round_trips_with_its_dtype_shape_and_order(arrays):
    back = unpack_arrays(pack_arrays(arrays))
    assert list(back) == list(arrays)
    assert_same(back, arrays)


def test_arrays_in_another_order_or_with_gaps_round_trip_with_the_same_values():
    grid = np.arange(24, dtype=np.int32).reshape(4, 6)
    arrays = {"fortran": np.asfortranarray(grid), "transposed": grid.T, "gaps": grid[::2, ::-3]}
    assert_same(unpack_arrays(pack_arrays(arrays)), arrays)


def test_big_endian_numbers_are_read_as_equal_little_endian_ones():
    back = unpack_arrays(pack_arrays({"a": np.array([1, 258], ">u2")}))
    assert back["a"].dtype == np.dtype("<u2")
    assert back["a"].tolist() == [1, 258]


def test_unpacked_arrays_are_read_only_even_from_a_writable_buffer():
    back = unpack_arrays(memoryview(bytearray(SMALL)))
    with pytest.raises(ValueError, match="read-only"):
        back["xy"][0, 0] = 3


def test_every_array_begins_at_a_multiple_of_64_bytes():
    data = np.frombuffer(pack_arrays({"a": np.ones(3, np.uint8), "b": np.ones(70, np.uint8)}), np.uint8)
    starts = [array.ctypes.data - data.ctypes.data for array in unpack_arrays(data.data).values()]
    assert [start % 64 for start in starts] == [0, 0]
    assert starts[1] - starts[0] == 64


def test_any_flipped_byte_is_detected():
    for place in range(len(SMALL)):
        for flip in (0x01, 0x20, 0xFF):
            with pytest.raises(ArchiveError):
                unpack_arrays(SMALL[:place] + bytes([SMALL[place] ^ flip]) + SMALL[place + 1 :])


def test_a_block_truncated_anywhere_is_detected():
    for length in range(len(SMALL)):
        with pytest.raises(ArchiveError):
            unpack_arrays(SMALL[:length])


@given(st.integers(0, len(SMALL)), st.binary(min_size=1, max_size=70))
def test_inserted_or_appended_bytes_are_detected(place, extra):
    with pytest.raises(ArchiveError):
        unpack_arrays(SMALL[:place] + extra + SMALL[place:])


@given(st.binary(max_size=100))
def test_other_bytes_are_not_a_block(data):
    with pytest.raises(ArchiveError):
        unpack_arrays(data)


def block_that_says(header, n_values=64):
    """Return a block with a valid checksum and any header."""
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    checked = len(text).to_bytes(4, "little") + text + bytes(n_values)
    return b"CVBLOCK1" + zlib.crc32(checked).to_bytes(4, "little") + checked


def test_the_forged_blocks_of_these_tests_can_be_valid():
    assert_array_equal(unpack_arrays(block_that_says([["a", "<f4", [16]]]))["a"], np.zeros(16, np.float32))


@pytest.mark.parametrize(
    "header",
    [
        [["a", "<f8", [2**40]]],
        [["a", "<f8", [2**61, 8]]],  # 2**67 bytes, which is 0 in 64 bits
        [["a", "<f8", [0, 2**63]]],
        [["a", "<f8", [-1]]],
        [["a", "<f8", [True]]],
        [["a", "<f8", [8.0]]],
        [["a", "<f8", 8]],
        [["a", "|u1", [1] * 33]],
        [["a", "|O", [8]]],
        [["a", "<f4,<f4", [8]]],
        [["a", ["<f8"], [8]]],
        [["../a", "<f8", [8]]],
        [["/a", "<f8", [8]]],
        [["a\n", "<f8", [8]]],
        [[7, "<f8", [8]]],
        [["a" * 129, "<f8", [8]]],
    ],
)
def test_a_false_or_unsafe_header_is_refused_in_small_memory(header):
    data = block_that_says(header)
    tracemalloc.start()
    try:
        with pytest.raises(UnsafeArchiveError):
            unpack_arrays(data)
        assert tracemalloc.get_traced_memory()[1] < 200_000  # bytes
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize(
    "header", [{"a": 1}, [["a", "<f8"]], ["abc"], b"[[", b"\xff", b"[" * 100_000, b"9" * 5000, [["a", "|u1", [1]]]]
)
def test_a_header_of_another_form_is_refused(header):
    with pytest.raises(ArchiveError):
        unpack_arrays(block_that_says(header, n_values=0))


@pytest.mark.parametrize(
    ("name", "array", "words"),
    [
        ("Upper", np.zeros(1), "lower-case"),
        ("a//b", np.zeros(1), "lower-case"),
        ("", np.zeros(1), "lower-case"),
        ("a", np.array([None]), "dtype '|O'"),
        ("a", np.array(["text"]), "dtype '<U4'"),
        ("a", np.zeros(1, [("x", "f4")]), "dtype"),
        ("a", np.zeros(1, complex), "dtype '<c16'"),
    ],
)
def test_an_unsupported_array_is_refused_by_name(name, array, words):
    with pytest.raises(ArchiveError) as caught:
        pack_arrays({name: array})
    assert words in str(caught.value)


def test_a_block_longer_than_its_arrays_is_refused_despite_a_valid_checksum():
    with pytest.raises(ArchiveError, match="has 164 bytes; its header describes 100"):
        unpack_arrays(block_that_says([["a", "<f4", [16]]], n_values=128))
