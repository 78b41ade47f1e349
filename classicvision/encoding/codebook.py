"""What training, prediction and model files know of an encoder: its settings learn a codebook, which encodes images."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, Protocol

import numpy as np
from numpy.typing import NDArray

__all__ = ["Codebook", "EncoderSettings", "encode_each", "frozen_array"]

LARGEST = 1e18  # number of a codebook: its square is still a float32


class Codebook(Protocol):
    """What was learned, as read-only arrays, and the code of an image by it."""

    @property
    def n_outputs(self) -> int:
        """Numbers in a code."""
        ...

    def encode(self, item: Any) -> NDArray[np.float32]:
        """Return the code of the item of one image, (n_outputs,)."""
        ...

    def encode_all(self, items: Sequence[Any]) -> NDArray[np.float32]:
        """Return the codes of N images, (N, n_outputs); the items are looked at one by one, once."""
        ...

    def feature_names(self) -> list[str]:
        """Return a name for each number of a code."""
        ...

    def to_arrays(self) -> dict[str, NDArray[Any]]:
        """Return all that was learned as plain arrays, empty if nothing was."""
        ...


class EncoderSettings(Protocol):
    """How a codebook is learned: a frozen dataclass, fit for `classicvision.config`."""

    kind: ClassVar[str]
    version: ClassVar[int]

    @property
    def n_outputs(self) -> int:
        """Numbers in a code, but those that only the items tell."""
        ...

    def learn(self, items: Sequence[Any], rng: np.random.Generator) -> Codebook:
        """Learn from the items of training images alone, which are looked at one by one, as few times as can be.

        Raises
        ------
        NotEnoughDataError
            If there is too little to learn from; the message says how much is needed.
        """
        ...

    def restore(self, arrays: Mapping[str, NDArray[Any]]) -> Codebook:
        """Rebuild a codebook from what its `to_arrays` returned; a ValueError says what does not fit."""
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
        raise ValueError(f"{name} holds numbers that are not finite")
    if array.size and np.abs(array).max() > LARGEST:
        raise ValueError(f"{name} holds numbers whose squares are beyond float32")
    view = np.ascontiguousarray(array).view()
    view.flags.writeable = False
    return view
