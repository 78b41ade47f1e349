"""Copy detection on synthetic copies: recall per edit, compared with other projects on the same files.

Protocol. Of the 200 images of BSDS500's training set, sorted by name, every second one is a source; the others are
distractors, except the last ten, which only fill collages. Each edit of `synthetic.EDITS` makes one copy of each
source, seeded by source and edit, stored as PNG. A copy counts as found if it and its source are reported as copies.
An unrelated pair is a copy with any source or distractor except its own source.

Ours, keypoints verified by pixels, runs at its default threshold, on all copies with their sources and on `--unrelated`
random images per copy; the settings were chosen on other images (coco128, Caltech-101 and Scene-15). Peers get all
unrelated pairs, and for each the threshold that is best on these very files: the loosest without a false match. Their
environments are given on the command line; each hash is computed by a script in `peers/`.

    python benchmarks/copies.py
    python benchmarks/copies.py --hashes hashes/bin/python --perception perception/bin/python --json copies.json

`--hashes` needs imagededup, imagehash and pdqhash; `--perception` needs perception[approximate-deduplication].
imagehash's crop-resistant hash takes about a second per image, so it gets the copies of `--slow-sources` sources only.
imagededup's CNN is excluded, because it downloads its weights.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import machine
import numpy as np
import protocol
from joblib import Parallel, delayed
from numpy.typing import NDArray

from classicvision.cache import FeatureCache
from classicvision.extraction import extract
from classicvision.features.local import LocalFeatures
from classicvision.features.phash import PerceptualHash
from classicvision.features.thumbnail import Thumbnail, image_of_vector
from classicvision.images import read_image
from classicvision.items import Items, Joint
from classicvision.matching.geometry import warp_points
from classicvision.matching.global_match import WholeView, compare_views
from classicvision.matching.pair import match_features
from classicvision.matching.pixels.verification import verify_by_pixels
from classicvision.matching.settings import MATCHING_SIFT, MatchSettings
from classicvision.synthetic import EDITS, plagiarise

N_FILLERS = 10
PEERS = Path(__file__).parent / "peers"
HASHES = ("imagededup-phash", "imagehash-phash", "pdqhash")
SLOW_HASH = "imagehash-crop-resistant"


@dataclass(frozen=True)
class Copy:
    """A synthetic copy on disk: its source, its edit, and the true transform."""

    source: int
    edit: str
    path: Path
    b_from_a: NDArray[np.float64]
    kept: float  # fraction of the source's area that the copy shows


@dataclass(frozen=True)
class Found:
    """The result for one pair."""

    verdict: str
    method: str
    score: float
    error: float  # of the transform: largest over the corners of the region, as a fraction of the copy's diagonal


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    protocol.add_common_options(parser)
    parser.add_argument("--sources", type=int, default=100, help="maximum number of sources (default %(default)s)")
    parser.add_argument("--unrelated", type=int, default=20, help="unrelated pairs per copy (default %(default)s)")
    parser.add_argument("--hashes", type=Path, help="Python executable of an environment with the hashes")
    parser.add_argument("--perception", type=Path, help="Python executable of an environment with perception")
    parser.add_argument("--slow-sources", type=int, default=5, help="sources for the slow hash (default %(default)s)")
    parser.add_argument("--edits", nargs="+", default=list(EDITS), help="edits to test; by default all")
    arguments = parser.parse_args()
    cv2.setNumThreads(1)
    with tempfile.TemporaryDirectory() as work:
        result = measure(arguments, Path(work))
    result |= {"machine": machine.describe(), "bridge": measure_bridge()}
    print_table(result)
    if arguments.json:
        arguments.json.write_text(json.dumps(result, indent=1), "utf-8")


def measure(arguments: argparse.Namespace, work: Path) -> dict[str, Any]:
    photographs = sorted((protocol.shared_data() / "bsds500" / "train").glob("*.jpg"))
    sources, rest = photographs[::2][: arguments.sources], photographs[1::2]
    distractors, fillers = rest[:-N_FILLERS], rest[-N_FILLERS:]
    make = delayed(make_copies)
    made = Parallel(arguments.jobs)(make(i, path, arguments.edits, fillers, work) for i, path in enumerate(sources))
    copies = [copy for of_one in made for copy in of_one]
    originals = [*sources, *distractors]
    ours, unrelated = measure_ours(copies, originals, arguments, work)
    result: dict[str, Any] = {
        "n_sources": len(sources),
        "n_originals": len(originals),
        "extractor": repr(MATCHING_SIFT),
        "matching": repr(MatchSettings()),
        "unrelated": summary_of_unrelated(unrelated),
        "edits": [summary_of_edit(edit, copies, ours) for edit in arguments.edits],
        "peers": {},
    }
    if arguments.hashes:
        for name in HASHES:
            command = [arguments.hashes, PEERS / "copies_by_hash.py", name]
            result["peers"][name] = measure_peer(command, copies, originals, work)
        few = [copy for copy in copies if copy.source < arguments.slow_sources]
        command = [arguments.hashes, PEERS / "copies_by_hash.py", SLOW_HASH]
        result["peers"][SLOW_HASH] = measure_peer(command, few, originals[: 10 * arguments.slow_sources], work)
    if arguments.perception:
        command = [arguments.perception, PEERS / "copies_by_descriptors.py"]
        result["peers"]["perception"] = measure_peer(command, copies, originals, work)
    return result


def make_copies(number: int, path: Path, edits: Sequence[str], fillers: Sequence[Path], work: Path) -> list[Copy]:
    """Make one copy of a source per edit."""
    image, others = read_image(path), [read_image(filler) for filler in fillers]
    copies = []
    for edit in edits:
        rng = np.random.default_rng([number, *edit.encode()])
        copy, b_from_a = plagiarise(image, edit, rng, others=others)
        file = work / f"{number:03}-{edit}.png"
        file.write_bytes(cv2.imencode(".png", copy[:, :, ::-1], [cv2.IMWRITE_PNG_COMPRESSION, 1])[1].tobytes())
        copies.append(Copy(number, edit, file, b_from_a, kept_share(image, copy, edit, b_from_a)))
    return copies


def kept_share(image: NDArray[np.uint8], copy: NDArray[np.uint8], edit: str, b_from_a: NDArray[np.float64]) -> float:
    """Return the fraction of an image's points that are mapped into its copy."""
    height, width = image.shape[:2]
    x, y = ((np.arange(100) + 0.5) * side / 100 - 0.5 for side in (width, height))
    xy = np.stack(np.meshgrid(x, y), axis=2).reshape(-1, 2)
    landed = warp_points(xy, b_from_a)
    inside = ((landed >= -0.5) & (landed <= np.array(copy.shape[1::-1]) - 0.5)).all(axis=1)
    # In a screenshot the window is around the crop, where the rest of the image would be.
    return 0.6 if edit == "strong-reposted" else float(inside.mean())


def measure_ours(
    copies: Sequence[Copy], originals: Sequence[Path], arguments: argparse.Namespace, work: Path
) -> tuple[list[Found], list[Found]]:
    """Compare each copy with its source and with unrelated images."""
    files = [*originals, *(copy.path for copy in copies)]
    cache = FeatureCache(work / "features")
    features = extract(files, MATCHING_SIFT, cache=cache, n_jobs=arguments.jobs).items
    signatures = extract(files, Joint((PerceptualHash(), Thumbnail())), cache=cache, n_jobs=arguments.jobs).items
    related = [(copy.source, len(originals) + i) for i, copy in enumerate(copies)]
    rng = np.random.default_rng(0)
    unrelated = [
        (int(other), b)
        for source, b in related
        for other in rng.permutation(np.delete(np.arange(len(originals)), source))[: arguments.unrelated]
    ]
    truth = [copy.b_from_a for copy in copies]
    return (
        compare(files, features, signatures, related, truth, arguments.jobs),
        compare(files, features, signatures, unrelated, None, arguments.jobs),
    )


def compare(
    files: Sequence[Path],
    features: Items[LocalFeatures],
    signatures: Items[Any],
    pairs: Sequence[tuple[int, int]],
    truth: Sequence[NDArray[np.float64]] | None,
    n_jobs: int,
) -> list[Found]:
    tasks = (
        delayed(compare_some)(
            files, features, signatures, pairs[start : start + 200], truth[start : start + 200] if truth else None
        )
        for start in range(0, len(pairs), 200)
    )
    return [found for some in Parallel(n_jobs)(tasks) for found in some]


def compare_some(
    files: Sequence[Path],
    features: Items[LocalFeatures],
    signatures: Items[Any],
    pairs: Sequence[tuple[int, int]],
    truth: Sequence[NDArray[np.float64]] | None,
) -> list[Found]:
    found = []
    for number, (i, j) in enumerate(pairs):
        a, b = features[i], features[j]
        result = match_features(a, b)
        if result.verdict == "copy":
            result = verify_by_pixels(read_image(files[i]), read_image(files[j]), a, b, result)
        if result.verdict == "cannot decide":
            sizes, counts = (a.image_size, b.image_size), (len(a), len(b))
            (hash_a, small_a), (hash_b, small_b) = signatures[i], signatures[j]
            result = compare_views(
                WholeView(hash_a, image_of_vector(small_a), sizes[0], counts[0]),
                WholeView(hash_b, image_of_vector(small_b), sizes[1], counts[1]),
            )
        error = np.nan
        if truth and result.regions:
            diagonal = float(np.hypot(*b.image_size))
            error = min(
                float(np.abs(warp_points(r.polygon_a, r.b_from_a) - warp_points(r.polygon_a, truth[number])).max())
                for r in result.regions
            )
            error /= diagonal
        found.append(Found(result.verdict, result.method, result.score, error))
    return found


def summary_of_edit(edit: str, copies: Sequence[Copy], ours: Sequence[Found]) -> dict[str, Any]:
    rows = [(copy, found) for copy, found in zip(copies, ours, strict=True) if copy.edit == edit]
    is_found = np.array([found.verdict == "copy" for _, found in rows])
    errors = np.array([found.error for _, found in rows])
    return {
        "edit": edit,
        "kept": float(np.mean([copy.kept for copy, _ in rows])),
        "recall": float(is_found.mean()),
        "by_signature": int(sum(f.verdict == "copy" and f.method == "signature" for _, f in rows)),
        "undecided": int(sum(f.verdict == "cannot decide" for _, f in rows)),
        "placed": float(np.mean(errors[~np.isnan(errors)] < 0.02)),
        "median_error": float(np.nanmedian(errors)),
        "lowest": sorted(round(found.score, 1) for _, found in rows)[:5],
        "missed": [
            [copy.source, found.verdict, round(found.score, 2)] for copy, found in rows if found.verdict != "copy"
        ],
    }


def summary_of_unrelated(found: Sequence[Found]) -> dict[str, Any]:
    scores = np.sort([f.score for f in found if f.method == "keypoints"])[::-1]
    return {
        "n_pairs": len(found),
        "n_false": sum(f.verdict == "copy" for f in found),
        "n_undecided": sum(f.verdict == "cannot decide" for f in found),
        "highest": scores[:10].tolist(),
    }


def measure_peer(
    command: Sequence[Path | str], copies: Sequence[Copy], originals: Sequence[Path], work: Path
) -> dict[str, Any]:
    """Run a peer and return its recall per edit at the loosest threshold without a false match."""
    files, output = work / "files.json", work / "distances.f32"
    names = {"originals": [str(path) for path in originals], "copies": [str(copy.path) for copy in copies]}
    files.write_text(json.dumps(names), "utf-8")
    subprocess.run([*map(str, command), str(files), str(output)], check=True, stdout=subprocess.DEVNULL)
    distances = np.fromfile(output, np.float32).reshape(len(copies), len(originals))
    is_source = np.zeros(distances.shape, bool)
    is_source[np.arange(len(copies)), [copy.source for copy in copies]] = True
    own, nearest_other = distances[is_source], float(distances[~is_source].min())
    edits = np.array([copy.edit for copy in copies])
    return {
        "n_copies": len(copies),
        "n_unrelated": int((~is_source).sum()),
        "threshold_below": nearest_other,
        "recall": {edit: float(np.mean(own[edits == edit] < nearest_other)) for edit in dict.fromkeys(edits.tolist())},
    }


def measure_bridge() -> dict[str, Any]:
    """Compare a photograph with 20 edited versions of it."""
    folder = protocol.shared_data() / "pdq_bridge"
    original = MATCHING_SIFT(read_image(folder / "bridge-mods" / "aaa-orig.jpg"))
    versions = sorted(folder.glob("*/*.jpg"))
    results = [match_features(original, MATCHING_SIFT(read_image(path))) for path in versions]
    return {path.stem: [found.verdict, round(found.score, 1)] for path, found in zip(versions, results, strict=True)}


def print_table(result: dict[str, Any]) -> None:
    peers = result["peers"]
    print(f"| edit | area kept % | ours | transform within 2 % | {' | '.join(peers)} |")
    print("| --- | " + " | ".join(["---:"] * (3 + len(peers))) + " |")
    for row in result["edits"]:
        cells = [f"{100 * row['kept']:.0f}", f"{row['recall']:.3f}", f"{row['placed']:.3f}"]
        cells += [f"{peer['recall'][row['edit']]:.3f}" for peer in peers.values()]
        print(f"| {row['edit']} | {' | '.join(cells)} |")
    means = [f"{np.mean([row['recall'] for row in result['edits']]):.3f}"]
    means += [f"{np.mean([row['placed'] for row in result['edits']]):.3f}"]
    means += [f"{np.mean(list(peer['recall'].values())):.3f}" for peer in peers.values()]
    print(f"| **mean** | | {' | '.join(means)} |")
    unrelated = result["unrelated"]
    print(
        f"\nOurs: {unrelated['n_false']} false among {unrelated['n_pairs']} unrelated pairs, highest scores "
        f"{[round(score, 2) for score in unrelated['highest'][:5]]}."
    )
    n_found = sum(verdict == "copy" for verdict, _ in result["bridge"].values())
    print(f"pdq_bridge: {n_found} of {len(result['bridge'])} found.")
    for name, peer in peers.items():
        print(
            f"{name}: {peer['n_copies']} copies, threshold below {peer['threshold_below']:g} "
            f"({peer['n_unrelated']} unrelated pairs)."
        )


if __name__ == "__main__":
    main()
