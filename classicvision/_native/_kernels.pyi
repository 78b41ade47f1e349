"""The methods of the compiled module. The Python modules of this package check and allocate."""

from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

_Floats: TypeAlias = NDArray[np.float32]
# levels, basis, steps, offset, scales, are_roots, n_out
_Projection: TypeAlias = tuple[NDArray[np.int16], NDArray[np.int16], _Floats, _Floats, _Floats, bool, int]
# roots, shifts, are_far, log_peaks, to_levels, factors, starts, columns, inverses
_Mixture: TypeAlias = tuple[
    _Floats, _Floats, NDArray[np.uint8], _Floats, _Floats, NDArray[np.int8], NDArray[np.int32], _Floats, _Floats
]

def instruction_set() -> str: ...
def lanes() -> int: ...
def find_sift(
    gray: NDArray[np.uint8],
    n_layers: int,
    sigma: float,
    contrast: float,
    edge_ratio: float,
    upsample: bool,
    fast: bool,
    /,
) -> tuple[bytes, bytes]: ...
def describe_dense(
    gray: NDArray[np.uint8],
    step: int,
    bin_size: int,
    first: int,
    magnification: float,
    window: float,
    contrast: float,
    xy: NDArray[np.float32],
    response: NDArray[np.float32],
    descriptors: NDArray[np.uint8],
    /,
) -> int: ...
def words_table_size(n_words: int, n_dims: int, n_kept: int, /) -> int: ...
def prepare_words(
    words: NDArray[np.float32], basis: NDArray[np.float32] | None, table: NDArray[np.uint8], /
) -> None: ...
def nearest_words(
    points: NDArray[np.float32] | NDArray[np.uint8],
    are_roots: bool,
    words: NDArray[np.float32],
    n_kept: int,
    table: NDArray[np.uint8],
    indices: NDArray[np.int32],
    squared_distances: NDArray[np.float32] | None,
    /,
) -> None: ...
def add_points(
    points: NDArray[np.float32] | NDArray[np.uint8],
    are_roots: bool,
    labels: NDArray[np.int32],
    sums: NDArray[np.float64],
    counts: NDArray[np.int64],
    /,
) -> None: ...
def find_near_postings(
    offsets: NDArray[np.int64],
    signatures: NDArray[np.int64],
    words: NDArray[np.int32],
    queries: NDArray[np.int64],
    limit: int,
    /,
) -> tuple[bytes, bytes, bytes]: ...
def find_largest_agreements(
    offsets: NDArray[np.int64],
    signatures: NDArray[np.int64],
    rows: NDArray[np.uint16],
    angles: NDArray[np.uint8],
    scales: NDArray[np.uint8],
    words: NDArray[np.int32],
    queries: NDArray[np.int64],
    query_angles: NDArray[np.uint8],
    query_scales: NDArray[np.uint8],
    weights: NDArray[np.float32],
    largest: NDArray[np.float64],
    limit: int,
    /,
) -> None: ...
def root_bytes(descriptors: NDArray[np.uint8], roots: NDArray[np.uint8], /) -> None: ...
def nearest_two(
    a: NDArray[np.uint8],
    b: NDArray[np.uint8],
    rows_a: NDArray[np.int32],
    squared_a: NDArray[np.float32],
    rows_b: NDArray[np.int32],
    squared_b: NDArray[np.float32],
    /,
) -> None: ...
def count_agreeing(
    columns: NDArray[np.float32],
    log_scale: NDArray[np.float32],
    tip: float,
    cone: float,
    least_cosine: float,
    most_log_scale: float,
    counts: NDArray[np.int32],
    /,
) -> None: ...
def fit_homography(
    a: NDArray[np.float64], b: NDArray[np.float64], n_steps: int, settled: float, h: NDArray[np.float64], /
) -> None: ...
def find_moments(a: NDArray[np.float64], b: NDArray[np.float64], moments: NDArray[np.float64], /) -> None: ...
def find_errors(
    from_: NDArray[np.float64],
    to: NDArray[np.float64],
    turn: NDArray[np.float64],
    log_ratio: NDArray[np.float64],
    transform: NDArray[np.float64],
    expected_turn: float,
    most_turn: float,
    expected_log_ratio: float,
    most_log_ratio: float,
    errors: NDArray[np.float64],
    /,
) -> None: ...
def count_paired(
    a: NDArray[np.float64],
    b: NDArray[np.float64],
    angle: NDArray[np.float64],
    log_scale: NDArray[np.float64],
    shifts: NDArray[np.int32],
    from_b: bool,
    transform: NDArray[np.float64],
    expected_turn: float,
    most_turn: float,
    expected_log_ratio: float,
    most_log_ratio: float,
    tolerances: NDArray[np.float64],
    counts: NDArray[np.int64],
    /,
) -> None: ...
def count_places(
    errors: NDArray[np.float64],
    places: NDArray[np.int32],
    tolerances: NDArray[np.float64],
    counts: NDArray[np.int32],
    /,
) -> None: ...
def mixture_panel() -> int: ...
def mixture_most_factor() -> int: ...
def project_points(
    descriptors: NDArray[np.uint8],
    places: NDArray[np.float32],
    projection: _Projection,
    points: NDArray[np.float32],
    /,
) -> None: ...
def add_moments(
    points: NDArray[np.float32],
    mixture: _Mixture,
    least_share: float,
    zeroth: NDArray[np.float64],
    first: NDArray[np.float64],
    second: NDArray[np.float64],
    /,
) -> float: ...
def add_descriptor_moments(
    descriptors: NDArray[np.uint8],
    places: NDArray[np.float32],
    projection: _Projection,
    mixture: _Mixture,
    least_share: float,
    zeroth: NDArray[np.float64],
    first: NDArray[np.float64],
    second: NDArray[np.float64],
    /,
) -> float: ...
