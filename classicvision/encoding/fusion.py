"""Fusion: the concatenated, weighted codes of several encoders, whose features complement each other.

The weights are not learned with the codebook but chosen by cross-validation, together with C of the classifier.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass
from typing import Any, ClassVar, TypeAlias

import numpy as np
from numpy.typing import NDArray

from classicvision.config import require, validate
from classicvision.encoding.bovw import BovwSettings
from classicvision.encoding.codebook import Codebook, encode_each
from classicvision.encoding.fisher import FisherSettings
from classicvision.encoding.llc import LlcSettings
from classicvision.encoding.normalize import l2
from classicvision.encoding.vector import VectorSettings
from classicvision.encoding.vlad import VladSettings
from classicvision.errors import SettingsError

__all__ = ["FusionCodebook", "FusionSettings", "SingleSettings", "Weighing", "n_weighings", "weighings_of"]

SingleSettings: TypeAlias = BovwSettings | LlcSettings | VladSettings | FisherSettings | VectorSettings
"""Settings of the encoders that can be part of a fusion."""

Weighing: TypeAlias = NDArray[np.float32] | None
"""Factors of the components of a code, applied before the classifier; None for no weighting."""


@dataclass(frozen=True)
class FusionSettings:
    """Settings of encoders whose L2-normalised codes are concatenated.

    Its items are tuples with one part per encoder, in the same order, as `Several` extractors return them.

    Raises
    ------
    SettingsError
        If there are fewer than two parts, or the weights do not fit them.
    """

    kind: ClassVar[str] = "fusion"
    version: ClassVar[int] = 2

    parts: tuple[SingleSettings, ...]
    # Shares of the parts in the scalar product of two codes; cross-validation chooses among several rows.
    weights: tuple[tuple[float, ...], ...] = ()  # default: equal shares, and one row per part that favours it

    def __post_init__(self) -> None:
        validate(self)
        if len(self.parts) < 2:
            raise SettingsError(f"a fusion has {len(self.parts)} part(s); it needs at least two")
        for row in self.weights:
            is_good = len(row) == len(self.parts) and all(share >= 0 for share in row) and sum(row) > 0
            require(is_good, "weights", row, f"{len(self.parts)} numbers of at least 0, one per part, not all 0")

    def shares(self) -> tuple[tuple[float, ...], ...]:
        """Return the candidate weights, normalised to sum 1."""
        n = len(self.parts)
        # 0.7 for two parts, 0.6 for three: 0.4 plus an equal share of the rest.
        favoured = [tuple(0.4 + 0.6 / n if i == j else 0.6 / n for i in range(n)) for j in range(n)]
        rows = self.weights or ((1 / n,) * n, *favoured)
        return tuple(tuple(share / sum(row) for share in row) for row in rows)

    @property
    def n_outputs(self) -> int:
        """Length of a code, without components whose number depends on the items."""
        return sum(part.n_outputs for part in self.parts)

    def learn(self, items: Sequence[Any], rng: np.random.Generator) -> FusionCodebook:
        """Learn the codebook of each part from its part of the items, exactly as it would be learned alone."""
        codebooks: list[Codebook] = []
        for number in range(len(self.parts)):
            part: Any = self.parts[number]
            codebooks.append(part.learn(_Column(items, number), deepcopy(rng)))
        return FusionCodebook(tuple(codebooks), self)

    def restore(self, arrays: Mapping[str, NDArray[Any]]) -> FusionCodebook:
        """Return a codebook from the result of `FusionCodebook.to_arrays`."""
        return FusionCodebook(
            tuple(settings.restore(_under(f"{part}/", arrays)) for part, settings in enumerate(self.parts)), self
        )


@dataclass(frozen=True, eq=False)
class FusionCodebook:
    """The codebooks of the parts."""

    parts: tuple[Codebook, ...]
    settings: FusionSettings

    @property
    def n_outputs(self) -> int:
        """Length of a code."""
        return sum(part.n_outputs for part in self.parts)

    def feature_names(self) -> list[str]:
        """Return a name for each component: the name that its part gives it, prefixed by the part's number."""
        return [f"part{i}_{name}" for i, part in enumerate(self.parts) for name in part.feature_names()]

    def encode(self, item: Sequence[Any]) -> NDArray[np.float32]:
        """Return the code of one image, (n_outputs,): the codes of its parts, each of norm 1 (or 0)."""
        return np.concatenate([l2(part.encode(piece)) for part, piece in zip(self.parts, item, strict=True)])

    def encode_all(self, items: Sequence[Any]) -> NDArray[np.float32]:
        """Return the codes of N images, (N, n_outputs)."""
        return encode_each(self, items)

    def to_arrays(self) -> dict[str, NDArray[Any]]:
        """Return the arrays of all parts; each name is prefixed by the part's number."""
        return {f"{i}/{name}": array for i, part in enumerate(self.parts) for name, array in part.to_arrays().items()}

    def weighings(self) -> list[Weighing]:
        """Return the factors of the components of a code, for each candidate of the weights."""
        widths = [part.n_outputs for part in self.parts]
        return [np.repeat(np.sqrt(np.array(row, np.float32)), widths) for row in self.settings.shares()]


def weighings_of(codebook: Codebook) -> list[Weighing]:
    """Return the candidate weightings of the codes of a codebook: only None unless it is a fusion."""
    return codebook.weighings() if isinstance(codebook, FusionCodebook) else [None]


def n_weighings(settings: Any) -> int:
    """Return the number of candidate weightings."""
    return len(settings.shares()) if isinstance(settings, FusionSettings) else 1


@dataclass(frozen=True)
class _Column(Sequence[Any]):
    """One part of all items, read one at a time, and without the other parts if the items are lazy."""

    items: Sequence[Any]
    part: int

    def __len__(self) -> int:
        return len(self.items)

    def __getitem__(self, row: Any) -> Any:
        parts = getattr(self.items, "parts", None)  # lazy items: the other parts are not read
        return self.items[row][self.part] if parts is None else parts[self.part][row]


def _under(prefix: str, arrays: Mapping[str, NDArray[Any]]) -> dict[str, NDArray[Any]]:
    return {name.removeprefix(prefix): array for name, array in arrays.items() if name.startswith(prefix)}
