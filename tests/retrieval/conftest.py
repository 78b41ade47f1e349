"""Made features, and a small index of them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from classicvision.features.local import LocalFeatures
from classicvision.retrieval.index import Index
from classicvision.retrieval.vocabulary import Vocabulary, learn_vocabulary


def made_features(n: int, seed: int, image_size: tuple[int, int] = (480, 640)) -> LocalFeatures:
    """Return n keypoints at random places, with descriptors that are sparse and skewed, as SIFT's are."""
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
def made() -> Callable[..., LocalFeatures]:
    return made_features


@pytest.fixture(scope="session")
def vocabulary() -> Vocabulary:
    """Return 40 words learned from made features."""
    return learn_vocabulary([made_features(200, 1000 + i) for i in range(10)], 40, 2000, np.random.default_rng(0))


@pytest.fixture
def index(tmp_path: Path, vocabulary: Vocabulary) -> Index:
    """Return an index without images, of the library in tmp_path / library."""
    (tmp_path / "library").mkdir()
    return Index.create(tmp_path / "library.cvindex", vocabulary, root=tmp_path / "library")


@pytest.fixture
def fill(tmp_path: Path) -> Callable[..., list[int]]:
    """Return a function that adds images of these seeds in one commit each, and returns their numbers."""

    def fill(index: Index, *batches: list[int], n: int = 60) -> list[int]:
        status = tmp_path.stat()
        numbers = []
        with index.writer() as writer:
            for seeds in batches:
                for seed in seeds:
                    path = tmp_path / "library" / f"{seed}.jpg"
                    features = made_features(n, seed)
                    numbers.append(writer.add(path, features, content=f"{seed:064x}", status=status))
                writer.commit()
        return numbers

    return fill
