"""The index at scale: build rate, size, memory, and query time against the number of images.

The images of bsds500 are indexed as they are. All other images are synthetic, made from the features of real images
(caltech101, scene15, coco128): each has the postings of half of the keypoints of two images, rotated, a quarter of them
moved to a neighbouring word, with one bit in eight of the signatures flipped. Their words are not searched again, which
would take most of the time and does not depend on the size of the index; `build` measures a real build, on real images.
For verification each has the keypoints of one of 256 images made in the same way, which are not copies of the queries
either. Queries are edited copies of the bsds500 images, with their features extracted.

    OMP_NUM_THREADS=1 python benchmarks/index_scale.py --counts 10000 100000 --folder /scratch
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import shutil
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import machine
import numpy as np
import protocol
from numpy.typing import NDArray

from classicvision import (
    FeatureCache,
    Index,
    IndexSettings,
    LocalFeatures,
    SearchSettings,
    extract,
    find_images,
    read_image,
)
from classicvision.archive import pack_arrays
from classicvision.copies.search import choose_candidates, search_index
from classicvision.encoding.nearest import nearest_words
from classicvision.features.global_features import GlobalFeatures
from classicvision.index.catalogue import Catalogue, IndexedImage
from classicvision.index.packed_features import pack_features
from classicvision.index.postings import Postings, angle_bytes, scale_bytes
from classicvision.index.segment import write_columns
from classicvision.index.vocabulary import Vocabulary, learn_vocabulary
from classicvision.index.vocabulary_file import read_vocabulary, write_vocabulary
from classicvision.index.writer import MOST_MERGED, IndexWriter

SETS = ("bsds500/train", "caltech101", "scene15", "coco128")
NOISE = 5.0  # standard deviation added to each number of a descriptor; SIFT under JPEG 60 differs by about as much
N_OTHERS = 500  # real images that the synthetic ones are made from
N_BLOCKS = 256  # synthetic images whose features represent those of all others
SEED = 1


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--counts", type=int, nargs="+", default=[10_000, 100_000], help="images, ascending")
    parser.add_argument("--folder", type=Path, required=True, help="folder of the index, which is deleted at the end")
    parser.add_argument("--cache", type=Path, help="folder of features and vocabulary to keep between runs")
    parser.add_argument("--queries", type=int, default=40, help="queries of each kind")
    parser.add_argument("--json", type=Path, help="also write the result to this file")
    parser.add_argument("--keep", action="store_true", help="do not delete the index")
    arguments = parser.parse_args()
    cache = arguments.cache or arguments.folder / "cache"
    cache.mkdir(parents=True, exist_ok=True)
    settings = IndexSettings()
    originals, others = (load_sources(sets, settings, cache) for sets in (SETS[:1], SETS[1:]))
    vocabulary = load_vocabulary(originals + others, settings, cache)
    queries = make_queries(settings, arguments.queries)
    report: dict[str, Any] = {"machine": machine.describe(), "build": measure_build(others, vocabulary, arguments)}
    print_row(report["build"])
    folder = arguments.folder / "scale.cvindex"
    shutil.rmtree(folder, ignore_errors=True)
    Index.create(folder, vocabulary, settings, root=arguments.folder)
    report["scale"] = []
    add_originals(folder, originals)
    library = Library.of(others[:: max(len(others) // N_OTHERS, 1)], vocabulary)
    for count in arguments.counts:
        start = time.process_time()
        grow(folder, library, count)
        seconds = time.process_time() - start
        row = {"images": count, "cpu_seconds_to_grow": seconds, **measure_queries(folder, queries)}
        report["scale"].append(row)
        print_row(row)
        if arguments.json:
            arguments.json.write_text(json.dumps(report, indent=2) + "\n", "utf-8")
    if not arguments.keep:
        shutil.rmtree(folder)


def print_row(row: dict[str, Any]) -> None:
    print(json.dumps(row, indent=1), flush=True)


def load_sources(sets: tuple[str, ...], settings: IndexSettings, cache: Path) -> list[LocalFeatures]:
    data = protocol.shared_data()
    files = [path for name in sets for path in find_images([data / name])]
    return list(extract(files, settings.extractor, cache=FeatureCache(cache)).items)


def load_vocabulary(sources: list[LocalFeatures], settings: IndexSettings, cache: Path) -> Vocabulary:
    path = cache / f"scale-{settings.n_words}.cvwords"
    if not path.exists():
        rng = np.random.default_rng(settings.seed)
        write_vocabulary(path, learn_vocabulary(sources, settings.n_words, settings.n_samples, rng, n_threads=2))
    return read_vocabulary(path)


def jpeg(image: NDArray[np.uint8], quality: int) -> NDArray[np.uint8]:
    encoded = cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, quality])[1]
    return np.asarray(cv2.imdecode(encoded, cv2.IMREAD_COLOR), np.uint8)


def crop(image: NDArray[np.uint8], share: float, rng: np.random.Generator) -> NDArray[np.uint8]:
    height, width = (int(side * share**0.5) for side in image.shape[:2])
    y, x = (int(rng.integers(0, whole - part + 1)) for whole, part in zip(image.shape, (height, width), strict=False))
    return np.ascontiguousarray(image[y : y + height, x : x + width])


def strong(image: NDArray[np.uint8], rng: np.random.Generator) -> NDArray[np.uint8]:
    """Crop to 40 %, rotate, shrink, compress."""
    part = crop(image, 0.4, rng)
    turn = cv2.getRotationMatrix2D((part.shape[1] / 2, part.shape[0] / 2), float(rng.uniform(-40, 40)), 0.7)
    return jpeg(cv2.warpAffine(part, turn, part.shape[1::-1], flags=cv2.INTER_AREA), 30)


KINDS: dict[str, Callable[[NDArray[np.uint8], np.random.Generator], NDArray[np.uint8]]] = {
    "crop to 10 %, jpeg 75": lambda image, rng: jpeg(crop(image, 0.1, rng), 75),
    "crop to 20 %, mirrored": lambda image, rng: jpeg(np.ascontiguousarray(crop(image, 0.2, rng)[:, ::-1]), 75),
    "half size, jpeg 60": lambda image, _: jpeg(cv2.resize(image, None, fx=0.5, fy=0.5, interpolation=3), 60),
    "strong": strong,
    "jpeg 50": lambda image, _: jpeg(image, 50),
}


def unlike(number: int) -> GlobalFeatures:
    """Return the global features of an image that is unlike all others."""
    signs = np.random.default_rng(number).choice([-1, 0, 1], 256, p=[0.4, 0.2, 0.4]).astype(np.float32)
    return GlobalFeatures(f"{number:064x}", signs)


def make_queries(settings: IndexSettings, n: int) -> dict[str, list[tuple[int, LocalFeatures]]]:
    """Return, for each kind, the row of the source and the features of its copy."""
    files = find_images([protocol.shared_data() / SETS[0]])
    rows = np.linspace(0, len(files) - 1, min(n, len(files))).astype(int).tolist()
    made: dict[str, list[tuple[int, LocalFeatures]]] = {}
    for kind, edit in KINDS.items():
        rng = np.random.default_rng(SEED)
        made[kind] = [(row, settings.extractor(edit(read_image(files[row]), rng))) for row in rows]
    return made


@dataclass(frozen=True, eq=False)
class Library:
    """The material of synthetic images.

    Attributes
    ----------
    sources : sequence of LocalFeatures
        Features of real images.
    words : (W, 3) int32
        Each word and its two nearest neighbours.
    columns : (row of words, signatures, bytes of angles, bytes of scales)
        Of the keypoints of all sources, one source after the other.
    ends : (n_sources + 1,) int64
        Start of each source in the columns, and the end.
    blocks : sequence of bytes
        Features of synthetic images, in the format of a segment.
    """

    sources: Sequence[LocalFeatures]
    words: NDArray[np.int32]
    columns: tuple[NDArray[np.int32], NDArray[np.uint64], NDArray[np.uint8], NDArray[np.uint8]]
    ends: NDArray[np.int64]
    blocks: Sequence[tuple[LocalFeatures, bytes]]

    @classmethod
    def of(cls, sources: Sequence[LocalFeatures], vocabulary: Vocabulary) -> Library:
        """Quantise real images and make the synthetic features."""
        quantized = [vocabulary.quantize(features.descriptors) for features in sources]
        rng = np.random.default_rng(SEED)
        made = [made_features(sources, rng) for _ in range(N_BLOCKS)]
        return cls(
            sources,
            nearest_words(vocabulary.words, vocabulary._prepared, 3)[0],
            (
                np.concatenate([q.words for q in quantized]),
                np.concatenate([q.signatures for q in quantized]),
                angle_bytes(np.concatenate([features.angle for features in sources])),
                scale_bytes(np.concatenate([features.scale for features in sources])),
            ),
            np.cumsum([0, *map(len, sources)]),
            [(features, pack_arrays(pack_features(features))) for features in made],
        )

    def postings(self, n: int, rng: np.random.Generator) -> Postings:
        """Return the postings of n synthetic images: half of the keypoints of two sources each, with noise."""
        rows, turns = [], []
        for _ in range(n):
            of_two = [np.arange(*self.ends[row : row + 2]) for row in rng.choice(len(self.sources), 2, replace=False)]
            rows.append(np.concatenate([row[rng.random(len(row)) < 0.5] for row in of_two]))
            turns.append(rng.integers(0, 256))
        lengths = [len(row) for row in rows]
        chosen = np.concatenate(rows)
        words, signatures, angles, scales = (column[chosen] for column in self.columns)
        place = np.array([0, 0, 0, 0, 0, 0, 1, 2], np.uint8)[rng.integers(0, 8, len(chosen), np.uint8)]
        flips = [rng.integers(0, 2**64, len(chosen), np.uint64) for _ in range(3)]
        return Postings._sorted(
            len(self.words),
            self.words[words, place],
            np.repeat(np.arange(n, dtype=np.uint16), lengths),
            signatures ^ (flips[0] & flips[1] & flips[2]),
            angles + np.repeat(np.array(turns, np.uint8), lengths),
            scales,
        )


def made_features(sources: Sequence[LocalFeatures], rng: np.random.Generator) -> LocalFeatures:
    """Return half of the keypoints of each of two sources, with noise in the descriptors."""
    of_two = [sources[row] for row in rng.choice(len(sources), 2, replace=False)]
    first, second = (features[rng.random(len(features)) < 0.5] for features in of_two)
    descriptors = np.concatenate([first.descriptors, second.descriptors])
    noisy = np.rint(descriptors + rng.normal(0, NOISE, descriptors.shape))
    return LocalFeatures(
        xy=np.concatenate([first.xy, second.xy]),
        scale=np.concatenate([first.scale, second.scale]),
        angle=np.concatenate([first.angle, second.angle]),
        response=np.concatenate([first.response, second.response]),
        descriptors=np.clip(noisy, 0, 255).astype(np.uint8),
        image_size=(1024, 1024),
    )


def grow(folder: Path, library: Library, n: int) -> None:
    """Add synthetic images until there are n, in segments of the largest size that merging makes."""
    with IndexWriter(folder) as writer:
        while (number := len(writer.index)) < n:
            manifest = writer.index.manifest
            rng = np.random.default_rng((SEED, number))
            here = min(n - number, MOST_MERGED)
            made = [library.blocks[row % N_BLOCKS] for row in range(here)]
            images = [
                IndexedImage(
                    id_, folder.parent / f"{id_:07}.jpg", f"{id_:064x}", unlike(id_), f.image_size, len(f), 1, 1
                )
                for id_, (f, _) in enumerate(made, number)
            ]
            catalogue = Catalogue.of(images, [len(block) for _, block in made], manifest.root)
            blocks = (block for _, block in made)
            entry = write_columns(folder, manifest.next_file, catalogue, blocks, library.postings(here, rng))
            writer._next_id = number + here
            writer._replace((*manifest.segments, entry), writer.index.removed, manifest.next_file + 1)


def add_originals(folder: Path, originals: Sequence[LocalFeatures]) -> None:
    """Add real images as they are."""
    status = Path(__file__).stat()
    with IndexWriter(folder) as writer:
        for number, features in enumerate(originals):
            writer.add(
                folder.parent / f"{number:07}.jpg", features, unlike(number), content=f"{number:064x}", status=status
            )


def measure_build(
    sources: list[LocalFeatures], vocabulary: Vocabulary, arguments: argparse.Namespace
) -> dict[str, float]:
    """Time adding 500 real images on one thread, as `index build` does after extraction."""
    folder = arguments.folder / "build.cvindex"
    shutil.rmtree(folder, ignore_errors=True)
    Index.create(folder, vocabulary, root=arguments.folder)
    chosen = sources[:: max(len(sources) // 500, 1)]
    status = Path(__file__).stat()
    start, wall = time.process_time(), time.perf_counter()
    with IndexWriter(folder) as writer:
        for number, features in enumerate(chosen):
            writer.add(
                folder.parent / f"{number:07}.jpg", features, unlike(number), content=f"{number:064x}", status=status
            )
    figures = {
        "images": len(chosen),
        "keypoints_per_image": float(np.mean([len(features) for features in chosen])),
        "images_per_cpu_second": len(chosen) / (time.process_time() - start),
        "images_per_second": len(chosen) / (time.perf_counter() - wall),
    }
    shutil.rmtree(folder)
    return figures


def measure_queries(folder: Path, queries: dict[str, list[tuple[int, LocalFeatures]]]) -> dict[str, Any]:
    """Time search and verification separately, in CPU milliseconds, each query once, after a warm-up."""
    settings = SearchSettings()
    start = time.perf_counter()
    index = Index.open(folder)
    opened = time.perf_counter() - start
    everything = [query for of_kind in queries.values() for query in of_kind]
    for _, features in everything[::7]:
        choose_candidates(index, features, settings)
    kinds = {}
    search, verify, whole = [], [], []
    for kind, of_kind in queries.items():
        in_first, in_candidates, found, n_candidates, n_other = 0, 0, 0, [], 0
        for row, features in of_kind:
            start = time.process_time()
            candidates = choose_candidates(index, features, settings)
            middle = time.process_time()
            copies = [number for number, _ in search_index(index, features, settings)]
            end = time.process_time()
            search.append(1e3 * (middle - start))
            whole.append(1e3 * (end - middle))
            verify.append(max(whole[-1] - search[-1], 0.0))
            in_first += bool(len(candidates) and candidates.ids[0] == row)
            in_candidates += row in candidates.ids
            found += row in copies
            n_other += len(set(copies) - {row})
            n_candidates.append(len(candidates))
        kinds[kind] = {
            "keypoints": float(np.mean([len(features) for _, features in of_kind])),
            "first": in_first / len(of_kind),
            "candidate": in_candidates / len(of_kind),
            "found": found / len(of_kind),
            "others": n_other,
            "candidates": float(np.mean(n_candidates)),
        }
    info = index.info()
    return {
        "bytes_per_image": info["bytes_per_image"],
        "keypoints_per_image": info["n_keypoints"] / info["n_images"],
        "postings_bytes_per_image": info["bytes_of"]["postings"] / info["n_images"],
        "segments": info["n_segments"],
        "open_ms": 1e3 * opened,
        "search_ms": percentiles(search),
        "verify_ms": percentiles(verify),
        "query_ms": percentiles(whole),
        "resident_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e3,
        "kinds": kinds,
    }


def percentiles(values: list[float]) -> dict[str, float]:
    return {"p50": float(np.percentile(values, 50)), "p95": float(np.percentile(values, 95))}


if __name__ == "__main__":
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    main()
