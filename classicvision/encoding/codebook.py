"""The interface of an encoder for training, prediction and model files: settings learn a codebook, which encodes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, Protocol

import numpy as np
from numpy.typing import NDArray

__all__ = ["Codebook", "EncoderSettings", "encode_each", "frozen_array"]

LARGEST = 1e18  # largest value of a codebook; its square is still a float32


class Codebook(Protocol):
    """Learned arrays, read-only, and the encoding of images by them."""

    @property
    def n_outputs(self) -> int:
        """Length of a code."""
        ...

    def encode(self, item: Any) -> NDArray[np.float32]:
        """Return the code of the item of one image, (n_outputs,)."""
        ...

    def encode_all(self, items: Sequence[Any]) -> NDArray[np.float32]:
        """Return the codes of N images, (N, n_outputs); items are read one at a time, in a single pass."""
        ...

    def feature_names(self) -> list[str]:
        """Return a name for each component of a code."""
        ...

    def to_arrays(self) -> dict[str, NDArray[Any]]:
        """Return the learned arrays by name; empty if nothing is learned."""
        ...


class EncoderSettings(Protocol):
    """Settings of an encoder: a frozen dataclass that `classicvision.config` can write and read."""

    kind: ClassVar[str]
    version: ClassVar[int]

    @property
    def n_outputs(self) -> int:
        """Length of a code, without components whose number depends on the items."""
        ...

    def learn(self, items: Sequence[Any], rng: np.random.Generator) -> Codebook:
        """Learn a codebook from the items of training images, read one at a time in as few passes as possible.

        Raises
        ------
        NotEnoughDataError
            If there is too little data; the message says how much is needed.
        """
        ...

    def restore(self, arrays: Mapping[str, NDArray[Any]]) -> Codebook:
        """Return a codebook from the result of its `to_arrays`; a ValueError says what does not fit."""
        ...


def encode_each(codebook: Codebook, items: Sequence[Any]) -> NDArray[np.float32]:
    """Return the codes of N images, (N, n_outputs), encoded one after the other."""
    codes = np.empty((len(items), codebook.n_outputs), np.float32)
    for row, item in enumerate(items):
        codes[row] = codebook.encode(item)
    return codes


def frozen_array(name: str, array: NDArray[Any], shape: tuple[int, ...]) -> NDArray[np.float32]:
    """Return a read-only view of an array of a codebook; a ValueError says what does not fit."""
    if array.dtype != np.float32 or array.shape != shape:
        raise ValueError(f"{name} is {array.dtype} {array.shape}; these settings need float32 {shape}")
    if not np.isfinite(array).all():
        raise ValueError(f"{name} has values that are not finite")
    if array.size and np.abs(array).max() > LARGEST:
        raise ValueError(f"{name} has values whose squares overflow float32")
    view = np.ascontiguousarray(array).view()
    view.flags.writeable = False
    return view
