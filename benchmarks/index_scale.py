"""The index at scale: build rate, size, memory, and the time of a query against the number of images.

The images are made from the features of real ones (bsds500, caltech101, scene15, coco128): each keeps the keypoints of
its source moved and turned as a whole, its descriptors changed by seeded noise, so that words move and signatures
differ. Queries are copies of photos of bsds500 (crops, mirrored, resized, compressed), extracted anew from changed
pixels; they are looked for among their originals, which are in the index, and everything else.

What takes longest in an honest build is the search for the words, which does not depend on the size of the index. It is
measured on the first images (`build`). To make many images in bearable time, the word of a changed descriptor is then
looked for among the nearest eight words of the descriptor that it was made from, which is where it almost always lies.

    OMP_NUM_THREADS=1 python benchmarks/index_scale.py --counts 10000 100000 --folder /scratch
"""

from __future__ import annotations

import argparse
import itertools
import json
import os
import resource
import shutil
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import cv2
import machine
import numpy as np
import protocol
from numpy.typing import NDArray

from classicvision import Index, IndexSettings, LocalFeatures, SearchSettings, Store, extract, find_images, read_image
from classicvision.encoding.nearest import PreparedWords, nearest_words
from classicvision.matching.nearest import root_bytes
from classicvision.retrieval.index import read_vocabulary, write_vocabulary
from classicvision.retrieval.search import choose_candidates, find_copies
from classicvision.retrieval.vocabulary import QuantizedFeatures, Vocabulary, learn_vocabulary
from classicvision.retrieval.writer import Writer

SETS = ("bsds500/train", "caltech101", "scene15", "coco128")
NOISE = 5.0  # standard deviation added to each number of a descriptor; SIFT under JPEG 60 differs by about as much
N_NEAR = 8
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
    sources = load_sources(settings, cache)
    vocabulary = load_vocabulary(sources, settings, cache)
    queries = make_queries(settings, arguments.queries)
    report: dict[str, Any] = {"machine": machine.describe(), "build": measure_build(sources, vocabulary, arguments)}
    print_row(report["build"])
    folder = arguments.folder / "scale.cvindex"
    shutil.rmtree(folder, ignore_errors=True)
    Index.create(folder, vocabulary, settings, root=arguments.folder)
    report["scale"] = []
    images = made_images(sources)
    for count in arguments.counts:
        start = time.process_time()
        grow(folder, Remembering.of(vocabulary, sources), images, count)
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


def load_sources(settings: IndexSettings, cache: Path) -> list[LocalFeatures]:
    data = protocol.shared_data()
    files = [path for name in SETS for path in find_images([data / name])]
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


def made_images(sources: list[LocalFeatures]) -> Any:
    """Yield the sources themselves, then images made from them without end: (source, features, descriptor rows)."""
    ends = np.cumsum([len(features) for features in sources])
    for row, features in enumerate(sources):
        yield features, np.arange(ends[row] - len(features), ends[row])
    rng = np.random.default_rng(SEED)
    noise = np.rint(rng.normal(0, NOISE, (1 << 16, 128))).astype(np.int16)
    for number in itertools.count():
        row = number % len(sources)
        features = sources[row]
        kept = np.flatnonzero(rng.random(len(features)) < 0.9)
        shift = int(rng.integers(0, len(noise) - len(kept)))
        changed = features.descriptors[kept].astype(np.int16) + noise[shift : shift + len(kept)]
        made = replace(
            features[kept],
            descriptors=np.clip(changed, 0, 255).astype(np.uint8),
            angle=(features.angle[kept] + rng.uniform(0, 6.28)) % (2 * np.pi),
        )
        yield made, ends[row] - len(features) + kept


class Remembering(Vocabulary):
    """A vocabulary that knows the near words of the descriptors that come next, and looks among those only."""

    near: NDArray[np.int32]
    rows: list[NDArray[np.intp]]

    @classmethod
    def of(cls, vocabulary: Vocabulary, sources: list[LocalFeatures]) -> Remembering:
        made = cls(vocabulary.words, vocabulary.medians, vocabulary.projection)
        prepared = PreparedWords.of(vocabulary.words)
        near = [nearest_words(root_bytes(f.descriptors).astype(np.float32), prepared, N_NEAR)[0] for f in sources]
        object.__setattr__(made, "near", np.concatenate(near))
        object.__setattr__(made, "rows", [])
        return made

    def quantize(self, descriptors: NDArray[np.uint8], *, n_threads: int = 1) -> QuantizedFeatures:
        rows = np.concatenate(self.rows)
        self.rows.clear()
        points = root_bytes(descriptors)
        words = np.empty(len(points), np.int32)
        for start in range(0, len(points), 4096):
            here = slice(start, start + 4096)
            near = self.near[rows[here]]
            # |w|^2 - 2 p.w is the squared distance less |p|^2
            products = np.einsum("nd,nmd->nm", points[here].astype(np.float32), self.words[near])
            best = (self.squared_norms[near] - 2 * products).argmin(axis=1)
            words[here] = near[np.arange(len(near)), best]
        return QuantizedFeatures(words, self._signatures(points, words))

    @property
    def squared_norms(self) -> NDArray[np.float32]:
        return np.asarray(self.__dict__.setdefault("_norms", np.einsum("kd,kd->k", self.words, self.words)))


def grow(folder: Path, vocabulary: Remembering, images: Any, count: int) -> None:
    """Add images until there are so many."""
    status = Path(__file__).stat()
    with Writer(folder) as writer:
        writer.index.__dict__["vocabulary"] = vocabulary
        for number in range(len(writer.index), count):
            features, rows = next(images)
            vocabulary.rows.append(rows)
            writer.add(folder.parent / f"{number:07}.jpg", features, content=f"{number:064x}", status=status)


def measure_build(
    sources: list[LocalFeatures], vocabulary: Vocabulary, arguments: argparse.Namespace
) -> dict[str, float]:
    """Add a thousand real images as `index build` does after extraction, and time it on one thread."""
    folder = arguments.folder / "build.cvindex"
    shutil.rmtree(folder, ignore_errors=True)
    Index.create(folder, vocabulary, root=arguments.folder)
    chosen = sources[:: max(len(sources) // 1000, 1)]
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
