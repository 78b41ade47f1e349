"""Compute distances between copies and originals by the hashes of other projects; runs in an environment with them.

    python copies_by_hash.py HASH files.json distances.f32

`files.json` has `originals` and `copies`, lists of paths. The output is raw float32 (copies, originals); smaller values
are more similar. HASH is imagededup-phash, imagehash-phash, imagehash-crop-resistant or pdqhash.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
from PIL import Image


def to_bits(number: str) -> np.ndarray:
    return np.array([int(digit) for digit in f"{int(number, 16):064b}"])


def hamming(copies: list[np.ndarray], originals: list[np.ndarray]) -> np.ndarray:
    """Return the (copies, originals) Hamming distances to the best of the (versions, bits) of each original."""
    ours = np.stack([np.atleast_2d(bits)[0] for bits in copies]) * 2.0 - 1
    theirs = np.stack([np.atleast_2d(bits) for bits in originals]) * 2.0 - 1
    agreement = np.einsum("cb,ovb->cov", ours, theirs).max(axis=2)
    return (ours.shape[1] - agreement) / 2


def imagededup_phash() -> tuple[Callable[[str], np.ndarray], Callable[..., np.ndarray]]:
    from imagededup.methods import PHash

    hasher = PHash(verbose=False)
    return lambda path: to_bits(hasher.encode_image(image_file=path)), hamming


def imagehash_phash() -> tuple[Callable[[str], np.ndarray], Callable[..., np.ndarray]]:
    import imagehash

    return lambda path: imagehash.phash(Image.open(path)).hash.ravel(), hamming


def pdq() -> tuple[Callable[[str], np.ndarray], Callable[..., np.ndarray]]:
    import pdqhash

    # All eight flips and rotations, the image itself first; each version of an original is compared.
    return lambda path: np.stack(pdqhash.compute_dihedral(np.asarray(Image.open(path).convert("RGB")))[0]), hamming


def crop_resistant() -> tuple[Callable[[str], np.ndarray], Callable[..., np.ndarray]]:
    import imagehash

    def segments(path: str) -> np.ndarray:
        found = imagehash.crop_resistant_hash(Image.open(path).convert("RGB")).segment_hashes
        return np.stack([segment.hash.ravel() for segment in found])

    return segments, segment_distances


def segment_distances(copies: list[np.ndarray], originals: list[np.ndarray]) -> np.ndarray:
    """Return what `ImageMultiHash.__sub__` orders by, less the number of segments, which is the copy's alone.

    That is -(segments with one within a quarter of the bits) + (their mean share of wrong bits).
    """
    distances = np.zeros((len(copies), len(originals)))
    for j, original in enumerate(originals):
        for i, copy in enumerate(copies):
            wrong = (copy[:, np.newaxis] != original).sum(axis=2).min(axis=1)
            near = wrong[wrong <= 0.25 * copy.shape[1]]
            distances[i, j] = near.mean() / copy.shape[1] - len(near) if len(near) else 0
    return distances


HASHES = {
    "imagededup-phash": imagededup_phash,
    "imagehash-phash": imagehash_phash,
    "imagehash-crop-resistant": crop_resistant,
    "pdqhash": pdq,
}


def main() -> None:
    name, files, output = sys.argv[1:]
    paths = json.loads(Path(files).read_text("utf-8"))
    take, compare = HASHES[name]()
    originals, copies = ([take(path) for path in paths[kind]] for kind in ("originals", "copies"))
    compare(copies, originals).astype(np.float32).tofile(output)


if __name__ == "__main__":
    main()
