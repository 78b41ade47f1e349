"""Extraction stopped by real signals, and shared by processes: nothing is lost and nothing is left running."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap
import time

import numpy as np
import pytest

from classicvision.cache import FeatureCache
from classicvision.images import write_image

PATIENCE = 20.0  # seconds that a process may take for something that takes less than one

SCRIPT = textwrap.dedent(
    """
    import sys, time
    from pathlib import Path
    import numpy as np
    from classicvision.extraction import extract
    from classicvision.cache import FeatureCache
    from dataclasses import dataclass
    from typing import ClassVar

    @dataclass(frozen=True)
    class Slow:
        kind: ClassVar[str] = "slow"

        def __call__(self, image):
            time.sleep({seconds})
            return image[0, 0].astype(np.float32)

    folder, cache, n_jobs = sys.argv[1:]
    result = extract(sorted(Path(folder).glob("*.png")), Slow(), cache=FeatureCache(Path(cache)), n_jobs=int(n_jobs))
    print(len(result.items), result.n_cached, sum(float(item[0]) for item in result.items))
    """
)
N_IMAGES = 40


@pytest.fixture
def cache(tmp_path):
    return FeatureCache(tmp_path / "cache")


@pytest.fixture
def start(tmp_path, cache, checkout):
    """Return a function that starts the extraction of 40 images in a process."""
    for value in range(N_IMAGES):
        write_image(tmp_path / f"{value:03}.png", np.full((4, 4, 3), value, np.uint8))
    processes = []

    def start(n_jobs, seconds):
        script = tmp_path / f"script{len(processes)}.py"
        script.write_text(SCRIPT.replace("{seconds}", str(seconds)))
        process = subprocess.Popen(
            [sys.executable, script, tmp_path, cache.folder, str(n_jobs)],
            env=os.environ | {"PYTHONPATH": str(checkout)},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
        processes.append(process)
        return process

    yield start
    for process in processes:
        process.kill()
        process.communicate()


def wait_until(fact):
    end = time.monotonic() + PATIENCE
    while not fact():
        assert time.monotonic() < end, "took too long"
        time.sleep(0.02)


def group_is_gone(group):
    try:
        os.killpg(group, 0)
    except ProcessLookupError:
        return True
    return False


@pytest.mark.parametrize("n_jobs", [1, 2])
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGKILL])
def test_a_run_that_is_stopped_stops_its_workers_and_resumes_where_it_stopped(start, cache, n_jobs, number):
    process = start(n_jobs, seconds=0.2)
    wait_until(lambda: cache.size()[0] >= 4)
    if number == signal.SIGINT:
        os.killpg(process.pid, number)  # Ctrl-C reaches the whole group, as from a terminal
    else:
        process.send_signal(number)
    _, errors = process.communicate(timeout=PATIENCE)
    assert process.returncode == -number
    assert errors.count("Traceback") == (number == signal.SIGINT)  # the workers are silent
    wait_until(lambda: group_is_gone(process.pid))
    kept = cache.size()[0]
    assert kept < N_IMAGES

    output, _ = start(1, seconds=0).communicate(timeout=PATIENCE)
    assert output.split() == [str(N_IMAGES), str(kept), str(float(sum(range(N_IMAGES))))]
    assert cache.size()[0] == N_IMAGES


def test_two_processes_share_a_cache(start, cache):
    outputs = [process.communicate(timeout=PATIENCE)[0] for process in [start(1, 0.02), start(2, 0.02)]]
    for output in outputs:
        n_items, _, total = output.split()
        assert (int(n_items), float(total)) == (N_IMAGES, sum(range(N_IMAGES)))
    assert cache.size()[0] == N_IMAGES
    assert not list((cache.folder / "unfinished").iterdir())
