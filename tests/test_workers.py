"""Worker processes: every task has its result, and one that kills its worker costs nothing but itself."""

from __future__ import annotations

import os
import signal
import threading

import pytest

from classicvision import workers
from classicvision.errors import ClassicVisionError, SettingsError
from classicvision.workers import Workers


@pytest.fixture(autouse=True)
def workers_find_the_functions_below(monkeypatch, checkout):
    monkeypatch.syspath_prepend(checkout)


def run(function, chunks):
    with Workers(function, 2) as pool:
        for chunk in chunks:
            pool.send(chunk)
        return dict(pool.finished(n_left=0))


def double(task):
    return 2 * task


def die_on_3(task):
    if task == 3:
        os.kill(os.getpid(), signal.SIGKILL)
    return 2 * task


def die(task):
    os.kill(os.getpid(), signal.SIGKILL)


def die_at_first(marker):
    if not marker.exists():
        marker.touch()
        os.kill(os.getpid(), signal.SIGKILL)
    return "done"


def interrupt(task):
    os.kill(os.getpid(), signal.SIGINT)
    return "not impressed"


def refuse(task):
    raise SettingsError(f"task {task} is refused")


def count_threads(task):
    import cv2

    return cv2.getNumThreads(), os.environ["OMP_NUM_THREADS"]


def test_every_task_of_every_chunk_has_its_result():
    assert run(double, [[1, 2], [3], [4, 5]]) == {1: 2, 2: 4, 3: 6, 4: 8, 5: 10}


def test_a_worker_has_one_thread():
    assert run(count_threads, [[1]]) == {1: (1, "1")}


def test_a_worker_leaves_ctrl_c_to_its_parent():
    assert run(interrupt, [[1]]) == {1: "not impressed"}


def test_the_task_that_kills_its_worker_is_the_only_one_without_result():
    assert run(die_on_3, [[1, 2], [3, 4], [5, 6], [7]]) == {1: 2, 2: 4, 3: None, 4: 8, 5: 10, 6: 12, 7: 14}


def test_chunks_sent_after_a_death_are_done_too():
    with Workers(die_on_3, 2) as pool:
        pool.send([3])
        assert dict(pool.finished(n_left=0)) == {3: None}
        pool.send([4])
        assert dict(pool.finished(n_left=0)) == {4: 8}


def test_a_chunk_sent_to_a_pool_that_has_just_broken_is_done():
    with Workers(die_on_3, 2) as pool:
        pool.send([3])
        [first] = pool._running
        first.exception()  # wait for the death, which `finished` has not seen yet
        pool.send([4])
        assert dict(pool.finished(n_left=0)) == {3: None, 4: 8}


def test_a_task_whose_worker_died_once_for_another_reason_is_done(tmp_path):
    marker = tmp_path / "died once"
    assert run(die_at_first, [[marker]]) == {marker: "done"}


def test_if_no_task_is_ever_done_the_tasks_are_not_blamed(monkeypatch):
    monkeypatch.setattr(workers, "MAX_DEATHS", 2)
    with pytest.raises(ClassicVisionError, match="2 worker processes died"):
        run(die, [[1, 2, 3]])


def test_what_a_task_raises_is_raised_here():
    with pytest.raises(SettingsError, match="task 1 is refused"):
        run(refuse, [[1]])


def test_a_task_that_cannot_be_sent_is_an_error_and_no_death():
    with pytest.raises(Exception, match="pickle"):
        run(double, [[threading.Lock()]])


def test_a_worker_leaves_when_its_parent_is_gone(monkeypatch):
    left = []
    monkeypatch.setattr(workers, "WATCH_SECONDS", 0.0)
    monkeypatch.setattr(os, "_exit", left.append)
    parents = iter([7, 7, 1])
    monkeypatch.setattr(os, "getppid", lambda: next(parents))
    workers._leave_with(7)
    assert left == [1]
    assert next(parents, None) is None
