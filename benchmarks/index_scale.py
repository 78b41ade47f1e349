"""The index at scale: build rate, size, memory, and the time of a query against the number of images.

The photos of bsds500 are in the index as they are. All other images are made from the features of real ones
(caltech101, scene15, coco128): each has half of the keypoints of two of them, turned, with seeded noise in the
descriptors, a quarter of the words moved to the second or third nearest, and one bit in eight of the signatures
flipped. Their words are not searched anew, which would take most of the time and says nothing about the size of the
index; `build` measures what an honest build takes, on real images. Queries are copies of the photos, made in pixels
and extracted.

    OMP_NUM_THREADS=1 python benchmarks/index_scale.py --counts 10000 100000 --folder /scratch
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import shutil
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import cv2
import machine
import numpy as np
import protocol
from numpy.typing import NDArray

from classicvision import Index, IndexSettings, LocalFeatures, SearchSettings, Store, extract, find_images, read_image
from classicvision.encoding.nearest import nearest_words
from classicvision.matching.nearest import root_bytes
from classicvision.retrieval import writer as writer_module
from classicvision.retrieval.index import read_vocabulary, write_vocabulary
from classicvision.retrieval.search import choose_candidates, find_copies
from classicvision.retrieval.vocabulary import QuantizedFeatures, Vocabulary, learn_vocabulary
from classicvision.retrieval.writer import Writer

SETS = ("bsds500/train", "caltech101", "scene15", "coco128")
NOISE = 5.0  # standard deviation added to each number of a descriptor; SIFT under JPEG 60 differs by about as much
N_OTHERS = 1000  # real images that the made ones are mixed from
MADE_BATCH = 2048  # made images that are written together, so that each is merged once
SEED = 1


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--counts", type=int, nargs="+", default=[10_000, 100_000], help="images, ascending")
    parser.add_argument("--folder", type=Path, required=True, help="for the index, which is removed at the end")
    parser.add_argument("--cache", type=Path, help="keep features and vocabulary here between runs")
    parser.add_argument("--queries", type=int, default=40, help="of each kind")
    parser.add_argument("--json", type=Path, help="write everything to this file too")
    parser.add_argument("--keep", action="store_true", help="leave the index there")
    arguments = parser.parse_args()
    cache = arguments.cache or arguments.folder / "cache"
    cache.mkdir(parents=True, exist_ok=True)
    settings = IndexSettings()
    photos, others = (load_sources(sets, settings, cache) for sets in (SETS[:1], SETS[1:]))
    vocabulary = load_vocabulary(photos + others, settings, cache)
    queries = make_queries(settings, arguments.queries)
    report: dict[str, Any] = {"machine": machine.describe(), "build": measure_build(others, vocabulary, arguments)}
    print_row(report["build"])
    folder = arguments.folder / "scale.cvindex"
    shutil.rmtree(folder, ignore_errors=True)
    Index.create(folder, vocabulary, settings, root=arguments.folder)
    report["scale"] = []
    images = made_images(photos, others[:: max(len(others) // N_OTHERS, 1)], vocabulary)
    for count in arguments.counts:
        start = time.process_time()
        grow(folder, vocabulary, images, count)
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
    return list(extract(files, settings.extractor, store=Store(cache)).items)


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
    """Crop to 40 %, turn, shrink, compress."""
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


def make_queries(settings: IndexSettings, n: int) -> dict[str, list[tuple[int, LocalFeatures]]]:
    """Return, for each kind, the row of the source and the features of its copy."""
    files = find_images([protocol.shared_data() / SETS[0]])
    rows = np.linspace(0, len(files) - 1, min(n, len(files))).astype(int).tolist()
    made: dict[str, list[tuple[int, LocalFeatures]]] = {}
    for kind, edit in KINDS.items():
        rng = np.random.default_rng(SEED)
        made[kind] = [(row, settings.extractor(edit(read_image(files[row]), rng))) for row in rows]
    return made


def made_images(
    photos: list[LocalFeatures], others: list[LocalFeatures], vocabulary: Vocabulary
) -> Iterator[tuple[LocalFeatures, QuantizedFeatures]]:
    """Yield the photos as they are, then images made from the others without end, each with its words."""
    for features in photos:
        yield features, vocabulary.quantize(features.descriptors)
    near = [near_words(features, vocabulary) for features in others]
    rng = np.random.default_rng(SEED)
    noise = np.rint(rng.normal(0, NOISE, (1 << 16, 128))).astype(np.int16)
    while True:
        first, second = rng.choice(len(others), 2, replace=False).tolist()
        halves = [(row, np.flatnonzero(rng.random(len(others[row])) < 0.5)) for row in (first, second)]
        n = sum(len(kept) for _, kept in halves)
        shift = int(rng.integers(0, len(noise) - n))
        descriptors = np.concatenate([others[row].descriptors[kept] for row, kept in halves])
        yield (
            LocalFeatures(
                xy=np.concatenate([others[row].xy[kept] for row, kept in halves]),
                scale=np.concatenate([others[row].scale[kept] for row, kept in halves]),
                angle=np.concatenate([(others[row].angle[kept] + rng.uniform(0, 6)) % 6.28 for row, kept in halves]),
                response=np.concatenate([others[row].response[kept] for row, kept in halves]),
                descriptors=np.clip(descriptors + noise[shift : shift + n], 0, 255).astype(np.uint8),
                image_size=(1024, 1024),
            ),
            moved(
                np.concatenate([near[row][0][kept] for row, kept in halves]),
                np.concatenate([near[row][1][kept] for row, kept in halves]),
                rng,
            ),
        )


def near_words(features: LocalFeatures, vocabulary: Vocabulary) -> tuple[NDArray[np.int32], NDArray[np.uint64]]:
    """Return the three nearest words of each descriptor, and its signature in the nearest."""
    points = root_bytes(features.descriptors)
    words = nearest_words(points.astype(np.float32), vocabulary._prepared, 3)[0]
    return words, vocabulary._signatures(points, np.ascontiguousarray(words[:, 0]))


def moved(words: NDArray[np.int32], signatures: NDArray[np.uint64], rng: np.random.Generator) -> QuantizedFeatures:
    """Return words of which a quarter moved to the second or third nearest, and signatures with 1 bit in 8 flipped."""
    place = np.array([0, 0, 0, 0, 0, 0, 1, 2])[rng.integers(0, 8, len(words))]
    flips = [rng.integers(0, 2**64, len(words), np.uint64) for _ in range(3)]
    return QuantizedFeatures(words[np.arange(len(words)), place], signatures ^ (flips[0] & flips[1] & flips[2]))


class Told(Vocabulary):
    """A vocabulary that is told the words of the descriptors which it will be asked for."""

    def quantize(self, descriptors: NDArray[np.uint8], *, n_threads: int = 1) -> QuantizedFeatures:  # noqa: D102
        coming = self.__dict__["coming"]
        told = QuantizedFeatures(
            np.concatenate([quantized.words for quantized in coming]),
            np.concatenate([quantized.signatures for quantized in coming]),
        )
        coming.clear()
        return told


def grow(
    folder: Path, vocabulary: Vocabulary, images: Iterator[tuple[LocalFeatures, QuantizedFeatures]], n: int
) -> None:
    """Add images until there are n."""
    told, status = Told(vocabulary.words, vocabulary.medians, vocabulary.projection), Path(__file__).stat()
    coming = told.__dict__["coming"] = []
    writer_module.BATCH = MADE_BATCH
    with Writer(folder) as writer:
        writer.index.__dict__["vocabulary"] = told
        for number in range(len(writer.index), n):
            features, quantized = next(images)
            coming.append(quantized)
            writer.add(folder.parent / f"{number:07}.jpg", features, content=f"{number:064x}", status=status)


def measure_build(
    sources: list[LocalFeatures], vocabulary: Vocabulary, arguments: argparse.Namespace
) -> dict[str, float]:
    """Add five hundred real images as `index build` does after extraction, and time it on one thread."""
    folder = arguments.folder / "build.cvindex"
    shutil.rmtree(folder, ignore_errors=True)
    Index.create(folder, vocabulary, root=arguments.folder)
    chosen = sources[:: max(len(sources) // 500, 1)]
    status = Path(__file__).stat()
    start, wall = time.process_time(), time.perf_counter()
    with Writer(folder) as writer:
        for number, features in enumerate(chosen):
            writer.add(folder.parent / f"{number:07}.jpg", features, content=f"{number:064x}", status=status)
    figures = {
        "images": len(chosen),
        "keypoints_an_image": float(np.mean([len(features) for features in chosen])),
        "images_a_cpu_second": len(chosen) / (time.process_time() - start),
        "images_a_second": len(chosen) / (time.perf_counter() - wall),
    }
    shutil.rmtree(folder)
    return figures


def measure_queries(folder: Path, queries: dict[str, list[tuple[int, LocalFeatures]]]) -> dict[str, Any]:
    """Time search and verification apart, in CPU milliseconds, each query once after one that warms up."""
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
            copies = [number for number, _ in find_copies(index, features, settings)]
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
        "keypoints_an_image": info["n_keypoints"] / info["n_images"],
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
