"""Encoding images in several processes, and the decision values of one image."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from classicvision.classify.head import LinearHead
from classicvision.encoding.codebook import Codebook
from classicvision.errors import ClassicVisionError
from classicvision.workers import Workers, count_workers

__all__ = ["decide", "encode_in_workers"]

ROWS_SENT = 32  # images sent to a worker at a time


def encode_in_workers(
    codebook: Codebook, items: Sequence[Any], n_jobs: int = 1, *, out: NDArray[np.float32] | None = None
) -> NDArray[np.float32]:
    """Return the codes of N images, (N, n_outputs), as `Codebook.encode_all` does, to the last bit.

    Parameters
    ----------
    codebook : Codebook
    items : lazy sequence of N items
        Read by the workers, so the extraction of recomputed items is parallel too.
    n_jobs : int
        Worker processes, each with one thread; -1 for one per core; 1 works in this process.
    out : (N, n_outputs) float32, optional
        Where to write the codes, so that those of several lists of images can share one array.
    """
    codes = np.empty((len(items), codebook.n_outputs), np.float32) if out is None else out
    n_workers = count_workers(n_jobs, len(items))
    if n_workers == 1:
        for start in range(0, len(items), ROWS_SENT):
            here = slice(start, start + ROWS_SENT)
            codes[here] = codebook.encode_all(items[here])
        return codes
    size = max(1, min(ROWS_SENT, len(items) // (4 * n_workers)))
    with Workers(_Encoding(codebook, items), n_workers) as workers:
        for start in range(0, len(items), size):
            workers.send([range(start, min(start + size, len(items)))])
            _put(codes, workers, n_left=workers.capacity)
        _put(codes, workers, n_left=0)
    return codes


def decide(codebook: Codebook, head: LinearHead, views: Sequence[Any]) -> NDArray[np.float64]:
    """Return the decision values of one image, (K,): the mean over the items of its views."""
    decisions: NDArray[np.float64] = head.decide(np.stack([codebook.encode(view) for view in views]))
    return np.asarray(decisions.mean(axis=0))


def _put(codes: NDArray[np.float32], workers: Workers[range, NDArray[np.float32]], *, n_left: int) -> None:
    for rows, found in workers.finished(n_left=n_left):
        if found is None:
            raise ClassicVisionError(
                "a worker process died twice while it encoded images, most likely because memory ran out. Use one job, "
                "or a smaller encoder."
            )
        codes[rows.start : rows.stop] = found


@dataclass(frozen=True)
class _Encoding:
    """Encodes the images in some rows; each worker has a copy."""

    codebook: Codebook
    items: Sequence[Any]

    def __call__(self, rows: range) -> NDArray[np.float32]:
        return self.codebook.encode_all(self.items[rows.start : rows.stop])
