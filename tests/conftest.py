"""Fixtures for all tests."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import cv2
import pytest
from hypothesis import settings

if TYPE_CHECKING:
    from classicvision.copies.findings import Finding
    from classicvision.features.global_features import GlobalFeatures
    from classicvision.features.local import LocalFeatures
    from classicvision.images import Image
    from classicvision.index.index import Index
    from classicvision.index.vocabulary import Vocabulary
    from classicvision.workflows import Fit

CHECKOUT = Path(__file__).resolve().parent.parent

# A shell's background process ignores Ctrl-C, and so would every process that the tests start.
if threading.current_thread() is threading.main_thread():
    signal.signal(signal.SIGINT, signal.default_int_handler)

# One thread: results must not depend on the number, and the test runner already uses all cores.
cv2.setNumThreads(1)

# A slow machine is not a failure.
settings.register_profile("untimed", deadline=None)
settings.load_profile("untimed")


@pytest.fixture(scope="session")
def checkout() -> Path:
    """Return the root of the project's checkout."""
    return CHECKOUT


@pytest.fixture(scope="session")
def shared() -> Path:
    """Return the folder of real image sets, or skip the test if it is missing."""
    folder = Path(os.environ.get("CLASSICVISION_SHARED", CHECKOUT.parent / "shared"))
    if not (folder / "data").is_dir():
        pytest.skip(f"needs real image sets in {folder}; name their folder in CLASSICVISION_SHARED")
    return folder


class DocsFolder:
    """A folder with the sample images in `data` and a `classicvision` command, to run the code of the documentation in.

    All pages share one cache, so the same fit runs only once.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        shutil.copytree(CHECKOUT / "data", folder / "data", ignore=shutil.ignore_patterns("*.py"))
        command = folder / "bin" / "classicvision"
        command.parent.mkdir()
        command.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m classicvision "$@"\n')
        command.chmod(0o755)

    def page_folder(self, name: str) -> Path:
        """Return an empty folder for one page, with the same sample images in `data`."""
        folder = self.folder / name
        folder.mkdir()
        (folder / "data").symlink_to(self.folder / "data")
        return folder

    def run(self, command: list[str], folder: Path | None = None) -> str:
        """Run a command in a folder, by default this one, and return its output. Fail the test if the command fails."""
        environment = {
            "PATH": f"{self.folder / 'bin'}:/usr/bin:/bin",
            "PYTHONPATH": str(CHECKOUT),
            "CLASSICVISION_CACHE": str(self.folder / "cache"),
            "MPLCONFIGDIR": str(self.folder / "matplotlib"),
            "MPLBACKEND": "agg",
            "HOME": str(self.folder),
        }
        done = subprocess.run(
            command, cwd=folder or self.folder, env=environment, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout


@pytest.fixture(scope="session")
def docs_folder(tmp_path_factory: pytest.TempPathFactory) -> DocsFolder:
    """Return the folder in which the code of the README, the pages and the notebooks runs."""
    return DocsFolder(tmp_path_factory.mktemp("docs"))


@pytest.fixture(scope="session")
def texture_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder of three synthetic textures, eight images each, that are easy to classify."""
    import numpy as np

    from classicvision.images import write_image
    from classicvision.synthetic import textures

    root = tmp_path_factory.mktemp("textures") / "images"
    images, labels = textures(3, 8, size=96, rng=np.random.default_rng(0))
    for number, (image, label) in enumerate(zip(images, labels, strict=True)):
        (root / label).mkdir(parents=True, exist_ok=True)
        write_image(root / label / f"{number:02}.png", image)
    return root


@pytest.fixture(scope="session")
def fitted(texture_folder: Path) -> Fit:
    """Return a classifier fitted on `texture_folder`."""
    from classicvision import load_recipe, workflows

    return workflows.fit(texture_folder, recipe=load_recipe("sift-bovw", ["encoder.n_words=30"]))


@pytest.fixture(scope="session")
def model_file(fitted: Fit, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the model file of `fitted`."""
    path = tmp_path_factory.mktemp("model") / "textures.cvmodel"
    fitted.classifier.save(path)
    return path


@pytest.fixture(scope="session")
def make_finding() -> Callable[..., Finding]:
    """Return a function that makes a finding for two images of 200 x 300 pixels, given one transform per region."""
    import numpy as np

    from classicvision.copies.findings import Finding
    from classicvision.matching.evidence import PixelEvidence
    from classicvision.matching.result import MatchResult, Region

    evidence = PixelEvidence("same", 1.0, 0.0)
    square = np.array([[10.0, 10.0], [110.0, 10.0], [110.0, 110.0], [10.0, 110.0]])

    def region(b_from_a: object, share: float, significance: float) -> Region:
        b_from_a = np.asarray(b_from_a, np.float64)
        mapped = np.column_stack([square, np.ones(4)]) @ b_from_a.T
        kind = "homography" if b_from_a[2, :2].any() else "similarity"
        pairs = np.column_stack([np.arange(4), np.arange(4)]).astype(np.int32)
        polygon_b = mapped[:, :2] / mapped[:, 2:]
        return Region(b_from_a, kind, pairs, square, polygon_b, share, share, significance, evidence)

    def make(
        a: str,
        b: str,
        *transforms: object,
        method: str = "keypoints",
        score: float = 9.0,
        share: float = 1.0,
        cosine: float | None = None,
    ) -> Finding:
        regions = tuple(region(transform, share, score) for transform in transforms)
        sizes = ((200, 300), (200, 300))
        result = MatchResult("copy", method, regions, score, (50, 40), 30, sizes, f"found by {method}", cosine)
        points = tuple(np.stack([r.polygon_a, r.polygon_b]).astype(np.float32) for r in regions)
        return Finding(Path(a), Path(b), result, points)

    return make


@pytest.fixture(scope="session")
def make_image() -> Callable[[int], Image]:
    """Return a function that makes an image from a seed: 160 x 208 pixels, soft blobs of all sizes."""
    import numpy as np

    def make(seed: int) -> Image:
        rng = np.random.default_rng(seed)
        layers = [cv2.resize(rng.normal(0, 1, (160 // s, 208 // s, 3)), (208, 160)) for s in (6, 14, 30)]
        return np.clip(128 + 45 * sum(layers), 0, 255).astype(np.uint8)

    return make


@pytest.fixture(scope="session")
def copies_folder(make_image: Callable[[int], Image], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with `library` (images 0 to 4) and `queries` (crop of 0, 1 mirrored, 2 itself, one unrelated)."""
    from classicvision.images import write_image

    folder = tmp_path_factory.mktemp("copies")
    for name in ("library", "queries"):
        (folder / name).mkdir()
    for seed in range(5):
        write_image(folder / "library" / f"{seed}.png", make_image(seed))
    write_image(folder / "queries" / "crop.png", make_image(0)[30:140, 40:160])
    write_image(folder / "queries" / "mirrored.png", make_image(1)[:, ::-1])
    shutil.copy(folder / "library" / "2.png", folder / "queries" / "equal.png")
    write_image(folder / "queries" / "stranger.png", make_image(99))
    return folder


@pytest.fixture(scope="session")
def make_network(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Path]:
    """Return a function that writes an ONNX file of a network that can be computed by hand.

    A 1 x 1 convolution copies the input (`pixels`). The mean of each channel follows (`features`), and its product with
    `weights`, of shape (3, n_classes) (`logits`).
    """
    import numpy as np
    import onnx
    from onnx import TensorProto, helper, numpy_helper

    def make(
        *,
        weights: object = ((1.0, 0.0), (0.0, 1.0), (0.0, 0.0)),
        layout: str = "NCHW",
        half: bool = False,
        batch: int | None = None,
        size: int | None = None,
        opset: int = 17,
        preprocessing: str | None = None,
        external: bool = False,
        name: str = "network.onnx",
    ) -> Path:
        dtype, kind = (np.float16, TensorProto.FLOAT16) if half else (np.float32, TensorProto.FLOAT)
        values = {"identity": np.eye(3).reshape(3, 3, 1, 1), "weights": np.asarray(weights), "bias": np.zeros(1)}
        stored = [numpy_helper.from_array(np.asarray(value, dtype), key) for key, value in values.items()]
        first = "image" if layout == "NCHW" else "channels_first"
        nodes = [helper.make_node("Transpose", ["image"], [first], perm=[0, 3, 1, 2])] * (layout == "NHWC")
        nodes += [
            helper.make_node("Conv", [first, "identity"], ["pixels"], kernel_shape=[1, 1]),
            helper.make_node("GlobalAveragePool", ["pixels"], ["pool"]),
            helper.make_node("Flatten", ["pool"], ["features"]),
            helper.make_node("Gemm", ["features", "weights", "bias"], ["logits"]),
        ]
        sides = [size or "h", size or "w"]
        shape = [batch or "n", 3, *sides] if layout == "NCHW" else [batch or "n", *sides, 3]
        n_classes = np.shape(values["weights"])[1]
        graph = helper.make_graph(
            nodes,
            "by hand",
            [helper.make_tensor_value_info("image", kind, shape)],
            [helper.make_tensor_value_info("logits", kind, [batch or "n", n_classes])],
            stored,
        )
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=8)
        if preprocessing is not None:
            helper.set_model_props(model, {"classicvision.preprocessing": preprocessing})
        path = tmp_path_factory.mktemp("network") / name
        where = {"save_as_external_data": True, "location": "weights.bin", "size_threshold": 0} if external else {}
        onnx.save(model, path, **where)
        return path

    return make


def random_features(n: int, seed: int, image_size: tuple[int, int] = (480, 640)) -> LocalFeatures:
    """Return n keypoints at random positions, with descriptors that are sparse and skewed like those of SIFT."""
    import numpy as np

    from classicvision.features.local import LocalFeatures

    rng = np.random.default_rng(seed)
    return LocalFeatures(
        xy=rng.uniform(0, 1, (n, 2)) * (image_size[1] - 1, image_size[0] - 1),
        scale=rng.uniform(1, 20, n),
        angle=rng.uniform(0, 2 * np.pi, n) % np.float32(2 * np.pi),
        response=rng.uniform(0.01, 0.2, n),
        descriptors=np.minimum(rng.gamma(0.5, 40, (n, 128)), 255).astype(np.uint8),
        image_size=image_size,
    )


@pytest.fixture(scope="session")
def make_features() -> Callable[..., LocalFeatures]:
    return random_features


def unlike(seed: int) -> GlobalFeatures:
    """Return the global features of an image that is unlike those of other seeds, as if there were one."""
    import numpy as np

    from classicvision.features.global_features import GlobalFeatures

    rng = np.random.default_rng(seed)
    return GlobalFeatures(rng.bytes(32).hex(), rng.choice([-1, 0, 1], 256).astype(np.float32))


@pytest.fixture(scope="session")
def make_whole() -> Callable[[int], GlobalFeatures]:
    """Return a function that makes the global features of an image, by a seed."""
    return unlike


@pytest.fixture(scope="session")
def vocabulary() -> Vocabulary:
    """Return 40 words learned from random features."""
    import numpy as np

    from classicvision.index.vocabulary import learn_vocabulary

    return learn_vocabulary([random_features(200, 1000 + i) for i in range(10)], 40, 2000, np.random.default_rng(0))


@pytest.fixture
def index(tmp_path: Path, vocabulary: Vocabulary) -> Index:
    """Return an index without images for the library in `tmp_path / "library"`."""
    from classicvision.index.index import Index

    (tmp_path / "library").mkdir()
    return Index.create(tmp_path / "library.cvindex", vocabulary, root=tmp_path / "library")


@pytest.fixture
def fill(tmp_path: Path) -> Callable[..., list[int]]:
    """Return a function that adds images by seed, one commit per batch, and returns their numbers."""

    from classicvision.index.writer import IndexWriter

    def fill(index: Index, *batches: list[int], n: int = 60) -> list[int]:
        status = tmp_path.stat()
        numbers = []
        with IndexWriter(index) as writer:
            for seeds in batches:
                for seed in seeds:
                    path = tmp_path / "library" / f"{seed}.jpg"
                    features = random_features(n, seed)
                    numbers.append(writer.add(path, features, unlike(seed), content=f"{seed:064x}", status=status))
                writer.commit()
        return numbers

    return fill
