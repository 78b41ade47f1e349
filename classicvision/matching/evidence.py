"""What the pixels of a region say about it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

__all__ = ["DOUBTFUL", "Difference", "PixelEvidence", "Relation"]

DOUBTFUL: Final = 0.75
"""Displacement score from which two photographs cannot be excluded; fewer than 5 % of 414 made copies exceed it."""

Relation: TypeAlias = Literal["same", "edited", "template", "same scene", "unlike"]


@dataclass(frozen=True, eq=False)
class Difference:
    """A part inside a copy in which the two images show different things.

    Attributes
    ----------
    polygon_a, polygon_b : (K, 2) float64
        Its convex outline in the frames of a and of b, in pixels.
    share_a : float
        Its share of the area of a, in [0, 1].
    """

    polygon_a: NDArray[np.float64]
    polygon_b: NDArray[np.float64]
    share_a: float


@dataclass(frozen=True, eq=False)
class PixelEvidence:
    """What the pixels of a region say, after both images were registered.

    Attributes
    ----------
    relation : {"same", "edited", "template", "same scene", "unlike"}
        "same": they agree. "edited": they agree, except in the parts listed as differences. "template": the layout
        agrees and the content does not. "same scene": they agree, but every detail is displaced on its own, as in two
        photographs of one scene, note or object. "unlike": they do not agree.
    agreeing : float
        Share of the blocks with structure that agree, in [0, 1].
    displacement : float
        How irregular the displacements that remain are: below 1 for copies. Larger values speak for separate
        photographs.
    differences : tuple of Difference
        Largest first.
    recoloured : ((red, green, blue), (red, green, blue)) or None
        Mean colour in a and in b of what has another colour, in levels from 0 to 255, if that is a twentieth of the
        area or more. A change of brightness or contrast alone is not one.
    """

    relation: Relation
    agreeing: float
    displacement: float
    differences: tuple[Difference, ...] = ()
    recoloured: tuple[tuple[int, int, int], tuple[int, int, int]] | None = None

    @property
    def may_be_separate(self) -> bool:
        """Whether the displacements leave open that the images are two photographs of one flat thing."""
        return self.displacement >= DOUBTFUL
