"""What makes one believe that a network is right, and sees pictures as it was trained to.

Three checks, from the file to the numbers. The content is that of the registry. Photographs that come with scikit-image
get their class among the first five: that fails for a wrong range, and for little else, since a network recognises a
cat in wrong colours too. Vectors that were computed elsewhere, where the network came from, come out here as well: that
fails for a wrong order of colours, mean, crop or resizing, and is the proof.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from classicvision.backbone.onnx import OnnxBackbone
from classicvision.backbone.registry import Entry, entry_of, known_networks
from classicvision.config import to_dict
from classicvision.errors import BackboneError
from classicvision.images import Image

__all__ = ["ImageCheck", "Reference", "VectorCheck", "Verification", "make_reference", "read_reference", "verify"]

TOLERANCE: Final = 0.02
"""Largest |v - r| / |r| that counts as the same vector. Rounding gives 1e-5; on five networks, resizing without
antialiasing gave 0.06 to 0.3 for the worst photograph, a wrong order of colours 0.4 to 0.9."""

# Photographs in scikit-image, and the classes of ImageNet (of 1000, from 0) that name what they show.
SAMPLE_IMAGES: Final[dict[str, frozenset[int]]] = {
    "chelsea": frozenset({281, 282, 283, 284, 285}),  # tabby, tiger cat, Persian cat, Siamese cat, Egyptian cat
    "coffee": frozenset({504, 967, 968}),  # coffee mug, espresso, cup
    "rocket": frozenset({657, 744}),  # missile, projectile
}
_FIRST_CLASS: Final = {1000: 0, 1001: 1}  # by the number of outputs; 1001 have the background first


@dataclass(frozen=True)
class ImageCheck:
    """What a classifier says of one photograph."""

    image: str
    top5: tuple[int, ...]  # classes of ImageNet, the likeliest first
    passed: bool  # whether one of them names what the photograph shows


@dataclass(frozen=True)
class VectorCheck:
    """How near the vector of one photograph is to the one that was stored."""

    image: str
    distance: float  # |v - r| / |r|

    @property
    def passed(self) -> bool:
        """Whether they count as the same vector."""
        return self.distance <= TOLERANCE


@dataclass(frozen=True)
class Verification:
    """What was compared, and how it came out.

    Attributes
    ----------
    backbone : OnnxBackbone
        The network, with the preprocessing that was used.
    entry : Entry, optional
        What the registry knows under this content.
    impostor_of : str
        The name in the registry that the file bears with other content; else empty.
    photos : tuple of ImageCheck
        Empty where the network does not classify ImageNet's 1000 classes.
    agreements : tuple of VectorCheck
        Empty where no reference was given.
    """

    backbone: OnnxBackbone
    entry: Entry | None
    impostor_of: str
    image_checks: tuple[ImageCheck, ...]
    vector_checks: tuple[VectorCheck, ...]

    @property
    def passed(self) -> bool:
        """Whether nothing that was compared came out wrong, and something was compared."""
        passed = [check.passed for check in self.image_checks] + [check.passed for check in self.vector_checks]
        return self.compared and not self.impostor_of and all(passed)

    @property
    def compared(self) -> bool:
        """Whether anything was compared."""
        return bool(self.entry or self.impostor_of or self.image_checks or self.vector_checks)


@dataclass(frozen=True, eq=False)
class Reference:
    """Vectors that a network gave where it is known to be right, by the names of photographs."""

    stage: str
    vectors: Mapping[str, NDArray[np.float64]]  # each (d,)


def verify(backbone: OnnxBackbone, reference: Reference | None = None) -> Verification:
    """Compare a network with the registry, with what photographs show, and with a reference.

    Parameters
    ----------
    backbone : OnnxBackbone
        Its stage does not matter.
    reference : Reference, optional

    Raises
    ------
    BackboneError
        If the network cannot be run, or a vector of the reference has another length than the network's.
    """
    entry = entry_of(backbone.sha256)
    name = Path(backbone.path).stem
    impostor = name if entry is None and name in {known.name for known in known_networks()} else ""
    agreements = tuple(_check_vectors(backbone, reference)) if reference else ()
    return Verification(backbone, entry, impostor, _check_images(replace(backbone, stage="output")), agreements)


def make_reference(backbone: OnnxBackbone) -> dict[str, Any]:
    """Return what a network gives for the photographs as plain values, to be stored as JSON and read back."""
    return {
        "network": Path(backbone.path).name,
        "sha256": backbone.sha256,
        "preprocessing": to_dict(backbone.preprocessing),
        "stage": backbone.stage,
        "vectors": {name: [float(value) for value in backbone(sample_image(name))] for name in SAMPLE_IMAGES},
    }


def read_reference(path: Path) -> Reference:
    """Read a reference; only ``stage`` (by default ``output``) and ``vectors`` are looked at.

    Raises
    ------
    BackboneError
        If the file cannot be read, or is not of that form.
    """
    try:
        data = json.loads(path.read_text("utf-8"))
        stage, found = data.get("stage", "output"), data["vectors"]
        vectors = {str(name): np.asarray(vector, np.float64) for name, vector in found.items()}
    except OSError as error:
        raise BackboneError(f"{path}: cannot be read: {error.strerror or error}") from error
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
        raise BackboneError(f"{path}: is no reference; {_FORM} was expected") from error
    whole = all(vector.ndim == 1 and vector.any() and np.isfinite(vector).all() for vector in vectors.values())
    if not isinstance(stage, str) or not vectors or not whole or not vectors.keys() <= SAMPLE_IMAGES.keys():
        raise BackboneError(
            f"{path}: is no reference; {_FORM} was expected, the photographs being {', '.join(SAMPLE_IMAGES)}"
        )
    return Reference(stage, vectors)


_FORM: Final = '{"stage": "output", "vectors": {"chelsea": [numbers], ...}}'


def sample_image(name: str) -> Image:
    """Return one of the photographs, (H, W, 3) uint8; it comes with scikit-image, so nothing is fetched."""
    import skimage.data

    image: Image = getattr(skimage.data, name)()
    return image


def _check_images(classifier: OnnxBackbone) -> tuple[ImageCheck, ...]:
    """Return what a classifier says of each photograph; nothing if its outputs are not ImageNet's classes."""
    checks = []
    for name, right in SAMPLE_IMAGES.items():
        scores = classifier(sample_image(name))
        if len(scores) not in _FIRST_CLASS:
            return ()
        first = _FIRST_CLASS[len(scores)]
        top5 = tuple(int(row) for row in np.argsort(-scores[first:], kind="stable")[:5])
        checks.append(ImageCheck(name, top5, not right.isdisjoint(top5)))
    return tuple(checks)


def _check_vectors(backbone: OnnxBackbone, reference: Reference) -> list[VectorCheck]:
    tapped = replace(backbone, stage=reference.stage)
    found = []
    for name, expected in reference.vectors.items():
        vector = tapped(sample_image(name)).astype(np.float64)
        if vector.shape != expected.shape:
            raise BackboneError(
                f"{backbone.path}: {reference.stage} has {len(vector)} numbers, the reference {len(expected)}; "
                "it is of another network or stage"
            )
        found.append(VectorCheck(name, float(np.linalg.norm(vector - expected) / np.linalg.norm(expected))))
    return found
