"""Items that are already vectors, such as the features of a network: the code is the normalised vector."""

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
    """Settings of vector codes.

    Parameters
    ----------
    normalization : {"l2", "standardized", "none"}, default "l2"
        "l2" divides each vector by its Euclidean norm. "standardized" subtracts the mean of each component over the
        training images and divides by its standard deviation, then by the square root of the dimension, so that C of a
        classifier has about the same meaning. "none" leaves vectors unchanged.
    """

    kind: ClassVar[str] = "vector"
    version: ClassVar[int] = 1

    normalization: Literal["l2", "standardized", "none"] = "l2"

    def __post_init__(self) -> None:
        validate(self)

    @property
    def n_outputs(self) -> int:
        """0, since the length of a code is that of the vectors, which the settings do not know."""
        return 0

    def learn(self, items: Sequence[NDArray[np.float32]], rng: np.random.Generator) -> VectorCodebook:
        """Learn the length of the vectors and, if standardized, their means and deviations; `rng` is not used."""
        if not len(items):
            raise NotEnoughDataError("no images; at least one is needed to learn the length of the vectors")
        if self.normalization != "standardized":
            return VectorCodebook.scaled(self, np.zeros(len(items[0])), np.ones(len(items[0])))
        # Welford's algorithm in float64: one pass, one vector at a time.
        mean = np.zeros(len(items[0]))
        squares = np.zeros(len(items[0]))
        for n, item in enumerate(items, start=1):
            step = item - mean
            mean += step / n
            squares += step * (item - mean)
        return VectorCodebook.scaled(self, mean, np.sqrt(squares / len(items)))

    def restore(self, arrays: Mapping[str, NDArray[Any]]) -> VectorCodebook:
        """Return a codebook from the result of `VectorCodebook.to_arrays`."""
        missing = sorted({"shift", "factor"} - set(arrays))
        if missing:
            raise ValueError(f"a codebook of vectors needs the array(s) {', '.join(missing)}")
        return VectorCodebook(arrays["shift"], arrays["factor"], self)


@dataclass(frozen=True, eq=False)
class VectorCodebook:
    """The scale of vectors. Arrays are read-only.

    Attributes
    ----------
    shift, factor : (D,) float32
        A vector v becomes (v - shift) * factor, before any L2 normalisation; zeros and ones unless standardized.
    settings : VectorSettings

    Raises
    ------
    ValueError
        If the arrays are not finite float32 vectors of equal length.
    """

    shift: NDArray[np.float32]
    factor: NDArray[np.float32]
    settings: VectorSettings

    def __post_init__(self) -> None:
        for name in ("shift", "factor"):
            array = getattr(self, name)
            if array.dtype != np.float32 or array.ndim != 1 or len(array) != len(self.shift) or not len(array):
                raise ValueError(f"{name} is {array.dtype} {array.shape}; expected float32 ({len(self.shift)},)")
            if not np.isfinite(array).all():
                raise ValueError(f"{name} has values that are not finite")
            view = array.view()
            view.flags.writeable = False
            object.__setattr__(self, name, view)

    @classmethod
    def scaled(cls, settings: VectorSettings, mean: NDArray[np.float64], deviation: NDArray[np.float64]) -> Self:
        """Return the codebook that subtracts a mean and divides by a deviation; constant components become 0."""
        factor = np.divide(1, deviation, out=np.zeros_like(deviation), where=deviation > 0)
        if settings.normalization == "standardized":
            factor /= np.sqrt(len(factor))
        return cls(mean.astype(np.float32), factor.astype(np.float32), settings)

    @property
    def n_outputs(self) -> int:
        """Length of a code."""
        return len(self.shift)

    def feature_names(self) -> list[str]:
        """Return a name for each component: ``feature_0042``."""
        digits = max(4, len(str(self.n_outputs - 1)))
        return [f"feature_{number:0{digits}d}" for number in range(self.n_outputs)]

    def encode(self, item: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return the code of one image's vector, (n_outputs,)."""
        if item.shape != self.shift.shape:
            raise ValueError(f"the vector has shape {item.shape}; the codebook expects {self.shift.shape}")
        code = (np.asarray(item, np.float32) - self.shift) * self.factor
        return l2(code) if self.settings.normalization == "l2" else code

    def encode_all(self, items: Sequence[NDArray[np.float32]]) -> NDArray[np.float32]:
        """Return the codes of N images' vectors, (N, n_outputs)."""
        return encode_each(self, items)

    def to_arrays(self) -> dict[str, NDArray[Any]]:
        """Return the shift and the factor."""
        return {"shift": self.shift, "factor": self.factor}
