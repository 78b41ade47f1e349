"""VLFeat's dense SIFT (`libvl.so.1`, Debian's libvlfeat1) with the flat window, and its Gaussian blur."""

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
    """The beginning of VlDsiftFilter, vl/dsift.h."""

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
    """A filter for pictures of one size; it keeps its memory from one picture to the next."""

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
        """Describe a grey picture, (H, W) float32, and return the number of patches."""
        self._library.vl_dsift_process(self._filter, gray.ctypes.data)
        return int(self._filter.contents.n_frames)

    def result(self) -> tuple[NDArray[np.float64], NDArray[np.float32]]:
        """Return the centres (N, 2) and the descriptors (N, 128), of length 1, in our order of directions."""
        found = self._filter.contents
        frames = np.ctypeslib.as_array(found.frames, (found.n_frames, 4))[:, :2].copy()
        descriptors = np.ctypeslib.as_array(found.descriptors, (found.n_frames, 16, 8))[:, :, DIRECTION]
        return frames, descriptors.reshape(-1, 128)


def smooth(gray: NDArray[np.float32], sigma: float) -> NDArray[np.float32]:
    """Blur a grey picture, (H, W) float32."""
    height, width = gray.shape
    out = np.empty_like(gray)
    _library().vl_imsmooth_f(out.ctypes.data, width, gray.ctypes.data, width, height, width, sigma, sigma)
    return out
