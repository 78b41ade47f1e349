"""Worker processes: every task has its result, and one that kills its worker is the only one lost."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

import pytest

from classicvision import workers
from classicvision.errors import ClassicVisionError, SettingsError
from classicvision.workers import Workers


@pytest.fixture(autouse=True)
def workers_find_the_functions_below(monkeypatch, checkout):
    monkeypatch.syspath_prepend(checkout)


@pytest.fixture
def temporary(monkeypatch, tmp_path):
    """Return the folder in which temporary files are written."""
    folder = tmp_path / "temporary"
    folder.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    return folder


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


class Diary:
    """A function that writes down when it is pickled and made again from that."""

    def __init__(self, folder):
        self.folder = folder
        self.n_calls = 0

    def __getstate__(self):
        self._note("sent")
        return self.__dict__

    def __setstate__(self, state):
        self.__dict__.update(state)
        self._note("received")

    def __call__(self, task):
        if task == "die":
            os.kill(os.getpid(), signal.SIGKILL)
        self.n_calls += 1
        return os.getpid(), self.n_calls

    def _note(self, event):
        self.folder.joinpath(f"{event} {os.getpid()} {time.monotonic_ns()}").touch()

    def pids(self, event):
        return sorted(int(path.name.split()[1]) for path in self.folder.glob(f"{event} *"))


@pytest.fixture
def diary(tmp_path):
    folder = tmp_path / "diary"
    folder.mkdir()
    return Diary(folder)


def test_every_task_of_every_chunk_has_its_result():
    assert run(double, [[1, 2], [3], [4, 5]]) == {1: 2, 2: 4, 3: 6, 4: 8, 5: 10}


def test_a_worker_has_one_thread():
    assert run(count_threads, [[1]]) == {1: (1, "1")}


def test_a_worker_leaves_ctrl_c_to_its_parent():
    assert run(interrupt, [[1]]) == {1: "not impressed"}


def test_the_task_that_kills_its_worker_is_the_only_one_without_result():
    assert run(die_on_3, [[1, 2], [3, 4], [5, 6], [7]]) == {1: 2, 2: 4, 3: None, 4: 8, 5: 10, 6: 12, 7: 14}


def test_chunks_sent_after_a_death_are_done():
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


def test_if_no_task_ever_succeeds_the_workers_are_blamed(monkeypatch):
    monkeypatch.setattr(workers, "MAX_DEATHS", 2)
    with pytest.raises(ClassicVisionError, match="2 worker processes died"):
        run(die, [[1, 2, 3]])


def test_an_error_of_a_task_is_raised_in_the_parent():
    with pytest.raises(SettingsError, match="task 1 is refused"):
        run(refuse, [[1]])


def test_a_task_that_cannot_be_pickled_is_an_error_and_not_a_death():
    with pytest.raises(Exception, match="pickle"):
        run(double, [[threading.Lock()]])


def test_a_function_that_cannot_be_pickled_is_an_error_and_leaves_nothing(temporary):
    with pytest.raises(Exception, match="pickle"):
        run(threading.Lock().__enter__, [[1]])
    assert list(temporary.iterdir()) == []


def test_a_function_is_pickled_once_for_all_chunks(diary):
    run(diary, [[task] for task in range(9)])
    assert diary.pids("sent") == [os.getpid()]


def test_a_worker_has_one_function_for_all_chunks(diary):
    with Workers(diary, 1) as pool:
        for task in range(9):
            pool.send([task])
        results = dict(pool.finished(n_left=0))
    [worker] = diary.pids("received")
    assert results == {task: (worker, task + 1) for task in range(9)}


def test_a_worker_that_replaces_a_dead_one_has_the_function_too(diary):
    with Workers(diary, 1) as pool:
        for task in ("first", "die", "last"):
            pool.send([task])
            assert (dict(pool.finished(n_left=0))[task] is None) == (task == "die")
    assert diary.pids("sent") == [os.getpid()]
    assert len(set(diary.pids("received"))) == len(diary.pids("received"))


def test_successive_pools_have_separate_functions():
    assert [run(function, [[3]]) for function in (double, str, double)] == [{3: 6}, {3: "3"}, {3: 6}]


def double_in_workers(task):
    return run(double, [[task]])[task]


def test_a_worker_can_have_workers():
    assert run(double_in_workers, [[1], [2]]) == {1: 2, 2: 4}


def test_while_workers_run_the_function_is_a_file_readable_by_this_user_only(temporary):
    with Workers(double, 1) as pool:
        pool.send([1])
        [file] = temporary.iterdir()
        if os.name == "posix":
            assert file.stat().st_mode & 0o777 == 0o600
        list(pool.finished(n_left=0))


@pytest.mark.parametrize("error", [None, RuntimeError("stop"), KeyboardInterrupt()])
def test_the_file_of_the_function_is_deleted_however_the_run_ends(temporary, error):
    def work():
        with Workers(double, 2) as pool:
            pool.send([1, 2])
            if error is not None:
                raise error
            list(pool.finished(n_left=0))

    if error is None:
        work()
    else:
        with pytest.raises(type(error)):
            work()
    assert list(temporary.iterdir()) == []


def test_a_second_ctrl_c_does_not_disturb_stopping_the_workers_after_the_first(monkeypatch):
    stop = Workers._stop

    def interrupted_stop(pool):
        os.kill(os.getpid(), signal.SIGINT)
        stop(pool)

    monkeypatch.setattr(Workers, "_stop", interrupted_stop)
    before = signal.getsignal(signal.SIGINT)
    pool = Workers(double, 1)
    with pytest.raises(KeyboardInterrupt, match="the first"), pool:
        raise KeyboardInterrupt("the first")
    assert signal.getsignal(signal.SIGINT) is before


def test_nothing_is_written_before_the_first_chunk(temporary):
    with Workers(double, 2):
        assert list(temporary.iterdir()) == []


def test_a_full_disk_is_an_error_with_the_remedy(temporary):
    temporary.rmdir()
    with pytest.raises(ClassicVisionError, match="TMPDIR"):
        run(double, [[1]])


PARENT = """
import sys, time
from classicvision.workers import Workers
with Workers(time.sleep, 1) as pool:
    pool.send([0])
    list(pool.finished(n_left=0))
    print("ready", flush=True)
    pool.send([60])
    time.sleep(60)
"""


@pytest.mark.skipif(os.name != "posix", reason="elsewhere a worker cannot tell that its parent is gone")
def test_workers_whose_parent_is_killed_remove_the_function(temporary, checkout):
    environment = {**os.environ, "TMPDIR": str(temporary), "PYTHONPATH": str(checkout)}
    with subprocess.Popen([sys.executable, "-c", PARENT], stdout=subprocess.PIPE, env=environment) as parent:
        assert parent.stdout.readline() == b"ready\n"
        assert len(functions_in(temporary)) == 1
        parent.kill()
    deadline = time.monotonic() + 30
    while functions_in(temporary) and time.monotonic() < deadline:
        time.sleep(0.1)
    assert functions_in(temporary) == []


def functions_in(folder):
    return list(Path(folder).glob("*.task"))


def test_a_worker_leaves_when_its_parent_is_gone(monkeypatch):
    left = []
    monkeypatch.setattr(workers, "WATCH_SECONDS", 0.0)
    monkeypatch.setattr(os, "_exit", left.append)
    parents = iter([7, 7, 1])
    monkeypatch.setattr(os, "getppid", lambda: next(parents))
    workers._leave_with(7)
    assert left == [1]
    assert next(parents, None) is None
