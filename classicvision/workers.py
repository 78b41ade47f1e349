"""A pool of worker processes for many small tasks that survives the death of a worker.

Native code can crash, and the system kills processes that take too much memory. A process pool then breaks and loses
the tasks in progress. Here those tasks run again, one at a time, so only a task that kills its worker twice is lost.
"""

from __future__ import annotations

import os
import signal
import tempfile
import threading
import time
import warnings
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, BrokenExecutor, Future, wait
from contextlib import contextmanager, nullcontext, suppress
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from types import TracebackType
from typing import Any, Generic, Self, TypeVar

from classicvision.errors import ClassicVisionError, SettingsError

__all__ = ["Workers", "count_threads", "count_workers", "in_order", "ordered_map"]

T = TypeVar("T")
R = TypeVar("R")

MAX_DEATHS = 5  # workers that may die before any task succeeds; after that many, the machine is at fault
MAX_CHUNK = 8  # tasks that `in_order` sends together
IDLE_SECONDS = 60.0  # after which an idle worker exits
WATCH_SECONDS = 1.0  # how often a worker checks that its parent process is alive

# Read by the libraries when a worker loads them. Tasks run in parallel; threads within a task would only compete.
ONE_THREAD = dict.fromkeys(
    ("OPENCV_FOR_THREADS_NUM", "OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "VECLIB_MAXIMUM_THREADS"),
    "1",
)


def count_workers(n_jobs: int, n_tasks: int) -> int:
    """Return the number of worker processes: `n_jobs`, or one per core if it is -1, and at most one per task.

    Raises
    ------
    SettingsError
        If `n_jobs` is 0.
    """
    if n_jobs == 0:
        raise SettingsError("n_jobs is 0; pass the number of worker processes, or -1 for one per core")
    if n_jobs == 1 or n_tasks <= 1:
        return 1
    from joblib import effective_n_jobs

    return min(int(effective_n_jobs(n_jobs)), n_tasks)


def count_threads(n_jobs: int) -> int:
    """Return how many threads of this process share a step that needs no worker processes; -1 is one per core."""
    return (os.cpu_count() or 1) if n_jobs < 0 else max(n_jobs, 1)


class Workers(Generic[T, R]):
    """Processes that call one function on chunks of tasks; a context manager that stops them on exit.

    The processes start with the first chunk. Each uses one thread, leaves Ctrl-C to this process, and exits with it
    even if this process is killed. The function can be large: it is written once to a temporary file that only this
    user can read, and each worker reads it once. The file is deleted on exit (on Windows not if this process is
    killed).

    Parameters
    ----------
    function : callable
        Called on one task at a time. A worker keeps one copy for all its chunks. Errors it raises are raised by
        `finished`.
    n_workers : int

    Attributes
    ----------
    capacity : int
        Chunks that may be in progress when another is sent: for each worker, one running and one queued. The pool's
        queue holds one more; beyond that, its thread prints an error when the pool is stopped.
    """

    def __init__(self, function: Callable[[T], R], n_workers: int) -> None:
        self._function = function
        self._n_workers = n_workers
        self.capacity = 2 * n_workers
        self._pool: Any = None
        self._sent: Path | None = None  # the file of the function, from the first chunk until exit
        self._running: dict[Future[list[R]], list[T]] = {}
        self._n_done = 0
        self._n_deaths = 0

    def __enter__(self) -> Self:
        self._warnings = warnings.catch_warnings()
        self._warnings.__enter__()
        # The pool replaces a worker that grows by 300 MB and warns of it; large images do that.
        warnings.filterwarnings("ignore", message="A worker stopped while some jobs were given to the executor")
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        try:
            with nullcontext() if kind is None else _without_interrupts():
                self._stop()
        finally:
            if self._sent is not None:
                _remove(self._sent)
                self._sent = None
            self._warnings.__exit__(kind, error, at)

    def send(self, chunk: list[T]) -> None:
        """Send a chunk of tasks to the workers."""
        self._running[self._submit(chunk, self._n_workers)] = chunk

    def finished(self, *, n_left: int) -> Iterator[tuple[T, R | None]]:
        """Yield tasks and their results until at most `n_left` chunks are in progress.

        In the order in which they finish. The result of a task that killed its worker is None.
        """
        while len(self._running) > n_left:
            done, _ = wait(self._running, return_when=FIRST_COMPLETED)
            if any(_lost_its_worker(future) for future in done):
                yield from self._recover()
                continue
            for future in done:
                yield from self._results(self._running.pop(future), future)

    def _recover(self) -> Iterator[tuple[T, R | None]]:
        """Finish the tasks in progress when the pool broke, one by one: the pool does not report which one broke it."""
        wait(self._running)
        running, self._running = self._running, {}
        self._stop()
        lost: list[T] = []
        for future, chunk in running.items():
            if _lost_its_worker(future):
                lost += chunk
            else:
                yield from self._results(chunk, future)
        for task in lost:
            yield from self._alone(task)
        self._stop()  # the next chunk starts all workers again

    def _alone(self, task: T) -> Iterator[tuple[T, R | None]]:
        future = self._submit([task], 1)
        wait([future])
        if not _lost_its_worker(future):
            yield from self._results([task], future)
            return
        self._stop()
        self._n_deaths += 1
        if not self._n_done and self._n_deaths >= MAX_DEATHS:
            raise ClassicVisionError(
                f"{self._n_deaths} worker processes died in a row before any finished a task. "
                "Free some memory, or use one job to see the cause."
            ) from future.exception()
        yield task, None

    def _results(self, chunk: list[T], future: Future[list[R]]) -> Iterator[tuple[T, R]]:
        results = future.result()
        self._n_done += len(results)
        yield from zip(chunk, results, strict=True)

    def _submit(self, chunk: list[T], n_workers: int) -> Future[list[R]]:
        if self._sent is None:
            self._sent = _write(self._function)
        if self._pool is None:
            self._pool = _start_pool(n_workers, self._sent)
        try:
            submitted: Future[list[R]] = self._pool.submit(_call_on_each, self._sent, chunk)
        except BrokenExecutor as error:  # a worker died since the last check; `finished` recovers
            submitted = Future()
            submitted.set_exception(error)
        return submitted

    def _stop(self) -> None:
        if self._pool is not None:
            self._pool.shutdown(wait=True, kill_workers=True)
            self._pool = None


def in_order(
    function: Callable[[T], R],
    tasks: Sequence[T],
    n_workers: int,
    progress: Callable[[int, int], None] | None = None,
) -> list[R]:
    """Map a function over tasks, in this process or in workers; the results are in the order of the tasks.

    Parameters
    ----------
    function : callable
        Must be picklable and deterministic.
    tasks : sequence
    n_workers : int
        1 runs in this process.
    progress : callable, optional
        Called with the number of tasks done and the total.

    Raises
    ------
    ClassicVisionError
        If a task crashes its worker twice.
    """
    with ordered_map(function, n_workers, progress) as mapped:
        return mapped(tasks)


@contextmanager
def ordered_map(
    function: Callable[[T], R], n_workers: int, progress: Callable[[int, int], None] | None = None
) -> Iterator[Callable[[Sequence[T]], list[R]]]:
    """Yield what maps a function over tasks as `in_order` does, with the same workers in every call."""
    if n_workers <= 1:
        numbered = _Numbered(function)
        yield lambda tasks: _collect(((task, numbered(task)) for task in enumerate(tasks)), len(tasks), progress)
        return
    with Workers(_Numbered(function), n_workers) as workers:
        yield lambda tasks: _collect(_sent(workers, list(enumerate(tasks)), n_workers), len(tasks), progress)


def _collect(
    done: Iterable[tuple[tuple[int, T], tuple[R] | None]], total: int, progress: Callable[[int, int], None] | None
) -> list[R]:
    """Return the results in the order of the tasks."""
    results: dict[int, R] = {}
    for (row, task), result in done:
        if result is None:
            raise ClassicVisionError(
                f"{task!r} killed its worker process twice: out of memory, or a crash in native code. "
                "Free some memory, or use one job to see the cause."
            )
        results[row] = result[0]
        if progress is not None:
            progress(len(results), total)
    return [results[row] for row in range(total)]


@dataclass(frozen=True)
class _Numbered(Generic[T, R]):
    """Wraps a function for numbered tasks; its result is a tuple of one and never None."""

    function: Callable[[T], R]

    def __call__(self, task: tuple[int, T]) -> tuple[R]:
        return (self.function(task[1]),)


def _sent(
    workers: Workers[tuple[int, T], tuple[R]], tasks: list[tuple[int, T]], n_workers: int
) -> Iterator[tuple[tuple[int, T], tuple[R] | None]]:
    size = max(1, min(MAX_CHUNK, len(tasks) // (4 * n_workers)))
    for start in range(0, len(tasks), size):
        workers.send(tasks[start : start + size])
        yield from workers.finished(n_left=workers.capacity)
    yield from workers.finished(n_left=0)


@contextmanager
def _without_interrupts() -> Iterator[None]:
    """Ignore Ctrl-C, in the processes started meanwhile too: stopping the pool fails if Ctrl-C ends its `pgrep`."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    previous = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, previous)


def _write(function: Callable[..., Any]) -> Path:
    """Pickle a function to a temporary file for the workers; an error if it cannot be pickled.

    One closed file serves all: the pool's pipe would carry one copy per worker, and hang if a worker died meanwhile.
    """
    from joblib.externals.loky.backend import reduction

    try:
        descriptor, name = tempfile.mkstemp(prefix="classicvision-", suffix=".task")
        path = Path(name)
        try:
            with os.fdopen(descriptor, "wb") as file:
                reduction.dump(function, file)
        except BaseException:
            _remove(path)
            raise
    except OSError as error:
        raise ClassicVisionError(
            f"cannot write the workers' task to {tempfile.gettempdir()}: {error.strerror or error}. "
            "Free some space there, set the environment variable TMPDIR to another folder, or use one job."
        ) from error
    return path


def _remove(path: Path) -> None:
    with suppress(OSError):
        path.unlink()


def _start_pool(n_workers: int, sent: Path) -> Any:
    from joblib.externals.loky import ProcessPoolExecutor

    return ProcessPoolExecutor(
        n_workers, timeout=IDLE_SECONDS, env=ONE_THREAD, initializer=_prepare_worker, initargs=(os.getpid(), sent)
    )


def _lost_its_worker(future: Future[Any]) -> bool:
    """Tell whether a worker died on a chunk; a task that cannot be pickled breaks the pool with another error."""
    from joblib.externals.loky.process_executor import TerminatedWorkerError

    return future.done() and isinstance(future.exception(), TerminatedWorkerError)


def _prepare_worker(parent: int, sent: Path) -> None:
    # Ctrl-C reaches every process of the terminal: only the parent handles it.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_leave_with, args=(parent, sent), daemon=True).start()


def _leave_with(parent: int, *left: Path) -> None:
    """Exit when the parent is gone: a killed parent can neither stop its workers nor delete its file."""
    while os.getppid() == parent:
        time.sleep(WATCH_SECONDS)
    for path in left:
        _remove(path)
    os._exit(1)


@lru_cache(maxsize=1)
def _read(sent: Path) -> Callable[..., Any]:
    """Load the function that the parent wrote, once for all chunks."""
    from joblib.externals.loky.backend import reduction

    function: Callable[..., Any] = reduction.loads(sent.read_bytes())
    return function


def _call_on_each(sent: Path, chunk: list[T]) -> list[Any]:
    function = _read(sent)
    return [function(task) for task in chunk]
