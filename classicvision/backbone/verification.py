"""Verify a network and its preprocessing.

Three checks, increasingly strict. The SHA-256 of the file is in the registry. The sample images of scikit-image are
classified correctly in the top five, which fails for a wrong value range and little else, since a network recognises a
cat in wrong colours too. Feature vectors computed elsewhere, with the network's original code, are reproduced, which
fails for a wrong channel order, mean, crop or resizing: that is the proof.
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
antialiasing gave 0.06 to 0.3 on the worst image, a wrong channel order 0.4 to 0.9."""

# Sample images of scikit-image, and the ImageNet classes (of 1000, from 0) that are correct for each.
SAMPLE_IMAGES: Final[dict[str, frozenset[int]]] = {
    "chelsea": frozenset({281, 282, 283, 284, 285}),  # tabby, tiger cat, Persian cat, Siamese cat, Egyptian cat
    "coffee": frozenset({504, 967, 968}),  # coffee mug, espresso, cup
    "rocket": frozenset({657, 744}),  # missile, projectile
}
_FIRST_CLASS: Final = {1000: 0, 1001: 1}  # by the number of outputs; 1001 have the background first


@dataclass(frozen=True)
class ImageCheck:
    """The classification of one sample image."""

    image: str
    top5: tuple[int, ...]  # ImageNet classes, the most probable first
    passed: bool  # whether one of them is correct


@dataclass(frozen=True)
class VectorCheck:
    """The relative distance of the features of one sample image from a reference."""

    image: str
    distance: float  # |v - r| / |r|

    @property
    def passed(self) -> bool:
        """Whether the distance is within rounding and implementation differences."""
        return self.distance <= TOLERANCE


@dataclass(frozen=True)
class Verification:
    """The results of verifying a network.

    Attributes
    ----------
    backbone : OnnxBackbone
        The network, with the preprocessing that was used.
    entry : Entry, optional
        The registry's entry with this SHA-256.
    impostor_of : str
        If the file is named like a network of the registry but has other content, that name; else empty.
    image_checks : tuple of ImageCheck
        Empty if the network's output is not the 1000 classes of ImageNet.
    vector_checks : tuple of VectorCheck
        Empty if no reference was given.
    """

    backbone: OnnxBackbone
    entry: Entry | None
    impostor_of: str
    image_checks: tuple[ImageCheck, ...]
    vector_checks: tuple[VectorCheck, ...]

    @property
    def passed(self) -> bool:
        """Whether there were checks and all of them passed."""
        passed = [check.passed for check in self.image_checks] + [check.passed for check in self.vector_checks]
        return self.compared and not self.impostor_of and all(passed)

    @property
    def compared(self) -> bool:
        """Whether there was anything to check."""
        return bool(self.entry or self.impostor_of or self.image_checks or self.vector_checks)


@dataclass(frozen=True, eq=False)
class Reference:
    """Feature vectors of sample images, computed where the network is known to be set up correctly."""

    stage: str
    vectors: Mapping[str, NDArray[np.float64]]  # by the name of the image, each (d,)


def verify(backbone: OnnxBackbone, reference: Reference | None = None) -> Verification:
    """Compare a network with the registry, with the correct classes of the sample images, and with a reference.

    Parameters
    ----------
    backbone : OnnxBackbone
        The network and its preprocessing; its stage is ignored.
    reference : Reference, optional
        Vectors to reproduce; without it the third check is skipped.

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
    """Compute a network's features of the sample images as plain values, for `read_reference` after saving as JSON."""
    return {
        "network": Path(backbone.path).name,
        "sha256": backbone.sha256,
        "preprocessing": to_dict(backbone.preprocessing),
        "stage": backbone.stage,
        "vectors": {name: [float(value) for value in backbone(sample_image(name))] for name in SAMPLE_IMAGES},
    }


def read_reference(path: Path) -> Reference:
    """Read a reference from a JSON file; only ``stage`` (by default ``output``) and ``vectors`` are used.

    Raises
    ------
    BackboneError
        If the file cannot be read, or is not a reference.
    """
    try:
        data = json.loads(path.read_text("utf-8"))
        stage, found = data.get("stage", "output"), data["vectors"]
        vectors = {str(name): np.asarray(vector, np.float64) for name, vector in found.items()}
    except OSError as error:
        raise BackboneError(f"{path}: cannot be read: {error.strerror or error}") from error
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
        raise BackboneError(f"{path}: not a reference; expected {_FORM}") from error
    whole = all(vector.ndim == 1 and vector.any() and np.isfinite(vector).all() for vector in vectors.values())
    if not isinstance(stage, str) or not vectors or not whole or not vectors.keys() <= SAMPLE_IMAGES.keys():
        raise BackboneError(
            f"{path}: not a reference; expected {_FORM} with vectors for any of {', '.join(SAMPLE_IMAGES)}"
        )
    return Reference(stage, vectors)


_FORM: Final = '{"stage": "output", "vectors": {"chelsea": [numbers], ...}}'


def sample_image(name: str) -> Image:
    """Return a sample image, (H, W, 3) uint8; it is part of scikit-image, so nothing is downloaded."""
    import skimage.data

    image: Image = getattr(skimage.data, name)()
    return image


def _check_images(classifier: OnnxBackbone) -> tuple[ImageCheck, ...]:
    """Classify each sample image; empty if the outputs are not the classes of ImageNet."""
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
                f"{backbone.path}: {reference.stage} has {len(vector)} values, the reference has {len(expected)}: it "
                "is of another network or stage. Create it again with --write"
            )
        found.append(VectorCheck(name, float(np.linalg.norm(vector - expected) / np.linalg.norm(expected))))
    return found
