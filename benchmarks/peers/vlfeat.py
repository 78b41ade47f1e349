"""VLFeat (`libvl.so.1`, Debian's libvlfeat1): dense SIFT with the flat window, Gaussian blur, mixtures of Gaussians."""

from __future__ import annotations

import ctypes
from ctypes import POINTER, c_double, c_float, c_int, c_long, c_void_p

import numpy as np
from numpy.typing import NDArray

# Our direction d is VLFeat's direction -d modulo 8: ours go anticlockwise on the screen, VLFeat's clockwise.
DIRECTION = -np.arange(8) % 8


class _Geometry(ctypes.Structure):
    _fields_ = [(name, c_int) for name in ("n_directions", "n_across", "n_down", "bin_across", "bin_down")]


class _Filter(ctypes.Structure):
    """The first fields of VlDsiftFilter, vl/dsift.h."""

    _fields_ = [
        *((name, c_int) for name in ("width", "height", "step_x", "step_y", "min_x", "min_y", "max_x", "max_y")),
        ("geometry", _Geometry),
        ("flat_window", c_int),
        ("window", c_double),
        ("n_frames", c_int),
        ("descriptor_size", c_int),
        ("frames", POINTER(c_double)),  # x, y, scale, norm
        ("descriptors", POINTER(c_float)),
    ]


def _library() -> ctypes.CDLL:
    try:
        library = ctypes.CDLL("libvl.so.1")
    except OSError as error:
        raise SystemExit("VLFeat is missing; on Debian: apt-get install libvlfeat1") from error
    library.vl_dsift_new_basic.restype = POINTER(_Filter)
    library.vl_dsift_new_basic.argtypes = [c_int] * 4
    library.vl_dsift_process.argtypes = [POINTER(_Filter), c_void_p]
    library._vl_dsift_update_buffers.argtypes = [POINTER(_Filter)]
    library.vl_dsift_delete.argtypes = [POINTER(_Filter)]
    library.vl_imsmooth_f.argtypes = [c_void_p, c_long, c_void_p, c_long, c_long, c_long, c_double, c_double]
    return library


class VlDsift:
    """A filter for images of one size; it reuses its memory for every image."""

    def __init__(self, shape: tuple[int, int], step: int, bin_size: int, first: int = 0):
        self._library = _library()
        self._filter = self._library.vl_dsift_new_basic(shape[1], shape[0], step, bin_size)
        settings = self._filter.contents
        settings.flat_window = 1
        settings.min_x = settings.min_y = first
        self._library._vl_dsift_update_buffers(self._filter)

    def __del__(self) -> None:
        self._library.vl_dsift_delete(self._filter)

    def process(self, gray: NDArray[np.float32]) -> int:
        """Describe a grey image, (H, W) float32, and return the number of patches."""
        self._library.vl_dsift_process(self._filter, gray.ctypes.data)
        return int(self._filter.contents.n_frames)

    def result(self) -> tuple[NDArray[np.float64], NDArray[np.float32]]:
        """Return the centres (N, 2) and the descriptors (N, 128), of length 1, in our order of directions."""
        found = self._filter.contents
        frames = np.ctypeslib.as_array(found.frames, (found.n_frames, 4))[:, :2].copy()
        descriptors = np.ctypeslib.as_array(found.descriptors, (found.n_frames, 16, 8))[:, :, DIRECTION]
        return frames, descriptors.reshape(-1, 128)


def smooth(gray: NDArray[np.float32], sigma: float) -> NDArray[np.float32]:
    """Blur a grey image, (H, W) float32."""
    height, width = gray.shape
    out = np.empty_like(gray)
    _library().vl_imsmooth_f(out.ctypes.data, width, gray.ctypes.data, width, height, width, sigma, sigma)
    return out


_FLOAT = 1  # VL_TYPE_FLOAT, vl/generic.h
_CUSTOM = 2  # VlGMMCustom, vl/gmm.h: start from the given means, covariances and priors


def fit_gmm(
    points: NDArray[np.float32],
    weights: NDArray[np.float32],
    means: NDArray[np.float32],
    variances: NDArray[np.float32],
    n_passes: int,
) -> tuple[NDArray[np.float32], NDArray[np.float32], NDArray[np.float32]]:
    """Run EM iterations over points (N, D) on one thread; returns weights, means and variances."""
    library = _library()
    library.vl_set_num_threads.argtypes = [c_long]
    library.vl_set_num_threads(1)
    library.vl_gmm_new.restype = c_void_p
    library.vl_gmm_new.argtypes = [c_int, c_long, c_long]
    gmm = c_void_p(library.vl_gmm_new(_FLOAT, points.shape[1], len(weights)))
    library.vl_gmm_set_initialization(gmm, c_int(_CUSTOM))
    library.vl_gmm_set_max_num_iterations(gmm, c_long(n_passes))
    library.vl_gmm_set_num_repetitions(gmm, c_long(1))
    for name, array in (("priors", weights), ("means", means), ("covariances", variances)):
        getattr(library, f"vl_gmm_set_{name}")(gmm, c_void_p(array.ctypes.data))
    library.vl_gmm_cluster.restype = c_double
    library.vl_gmm_cluster(gmm, c_void_p(points.ctypes.data), c_long(len(points)))
    found = []
    for name, array in (("priors", weights), ("means", means), ("covariances", variances)):
        get = getattr(library, f"vl_gmm_get_{name}")
        get.restype = POINTER(c_float)
        found.append(np.ctypeslib.as_array(get(gmm), array.shape).copy())
    library.vl_gmm_delete(gmm)
    return found[0], found[1], found[2]
