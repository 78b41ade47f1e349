"""Items that are vectors already, such as a network's features: the code is the vector, brought to one scale."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Literal, Self

import numpy as np
from numpy.typing import NDArray

from classicvision.config import validate
from classicvision.encoding.codebook import encode_each
from classicvision.encoding.normalize import l2
from classicvision.errors import NotEnoughDataError

__all__ = ["VectorCodebook", "VectorSettings"]


@dataclass(frozen=True)
class VectorSettings:
    """How vectors become codes.

    ``l2`` divides each by its Euclidean norm; ``standardized`` takes each number's mean over the training images away
    and divides by its deviation, then by the square root of the dimension, so that the cost of a classifier means about
    the same; ``none`` leaves them.
    """

    kind: ClassVar[str] = "vector"
    version: ClassVar[int] = 1

    normalization: Literal["l2", "standardized", "none"] = "l2"

    def __post_init__(self) -> None:
        validate(self)

    @property
    def n_outputs(self) -> int:
        """None that the settings tell: a code has the numbers of its vector."""
        return 0

    def learn(self, items: Sequence[NDArray[np.float32]], rng: np.random.Generator) -> VectorCodebook:
        """Learn the vectors' length, and their means and deviations where they are wanted; `rng` is not used."""
        if not len(items):
            raise NotEnoughDataError("no image was given; at least one is needed to know how long a vector is")
        if self.normalization != "standardized":
            return VectorCodebook.scaled(self, np.zeros(len(items[0])), np.ones(len(items[0])))
        # Welford's way, in float64: one pass, one vector at a time.
        mean = np.zeros(len(items[0]))
        squares = np.zeros(len(items[0]))
        for n, item in enumerate(items, start=1):
            step = item - mean
            mean += step / n
            squares += step * (item - mean)
        return VectorCodebook.scaled(self, mean, np.sqrt(squares / len(items)))

    def restore(self, arrays: Mapping[str, NDArray[Any]]) -> VectorCodebook:
        """Rebuild a codebook from what `VectorCodebook.to_arrays` returned."""
        missing = sorted({"shift", "factor"} - set(arrays))
        if missing:
            raise ValueError(f"a codebook of vectors needs the array(s) {', '.join(missing)}")
        return VectorCodebook(arrays["shift"], arrays["factor"], self)


@dataclass(frozen=True, eq=False)
class VectorCodebook:
    """The scale of vectors; read-only arrays.

    Attributes
    ----------
    shift, factor : (D,) float32
        A vector v becomes (v - shift) * factor, before any L2 norm; zeros and ones unless standardized.
    settings : VectorSettings

    Raises
    ------
    ValueError
        If the arrays are no finite float32 vectors of one length.
    """

    shift: NDArray[np.float32]
    factor: NDArray[np.float32]
    settings: VectorSettings

    def __post_init__(self) -> None:
        for name in ("shift", "factor"):
            array = getattr(self, name)
            if array.dtype != np.float32 or array.ndim != 1 or len(array) != len(self.shift) or not len(array):
                raise ValueError(f"{name} is {array.dtype} {array.shape}; float32 ({len(self.shift)},) was expected")
            if not np.isfinite(array).all():
                raise ValueError(f"{name} holds numbers that are not finite")
            view = array.view()
            view.flags.writeable = False
            object.__setattr__(self, name, view)

    @classmethod
    def scaled(cls, settings: VectorSettings, mean: NDArray[np.float64], deviation: NDArray[np.float64]) -> Self:
        """Return the codebook that takes a mean away and divides by a deviation; a constant number becomes 0."""
        factor = np.divide(1, deviation, out=np.zeros_like(deviation), where=deviation > 0)
        if settings.normalization == "standardized":
            factor /= np.sqrt(len(factor))
        return cls(mean.astype(np.float32), factor.astype(np.float32), settings)

    @property
    def n_outputs(self) -> int:
        """Numbers in a code."""
        return len(self.shift)

    def feature_names(self) -> list[str]:
        """Return a name for each number: ``feature_0042``."""
        digits = max(4, len(str(self.n_outputs - 1)))
        return [f"feature_{number:0{digits}d}" for number in range(self.n_outputs)]

    def encode(self, item: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return the code of one image's vector, (n_outputs,)."""
        if item.shape != self.shift.shape:
            raise ValueError(f"the vector has shape {item.shape}; the codebook was learned for {self.shift.shape}")
        code = (np.asarray(item, np.float32) - self.shift) * self.factor
        return l2(code) if self.settings.normalization == "l2" else code

    def encode_all(self, items: Sequence[NDArray[np.float32]]) -> NDArray[np.float32]:
        """Return the codes of N images' vectors, (N, n_outputs)."""
        return encode_each(self, items)

    def to_arrays(self) -> dict[str, NDArray[Any]]:
        """Return the shift and the factor."""
        return {"shift": self.shift, "factor": self.factor}
