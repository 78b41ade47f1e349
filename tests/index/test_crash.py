"""Killed at any moment while adding: what was acknowledged is there, and nothing half-written is seen."""

from __future__ import annotations

import os
import random
import subprocess
import sys
import textwrap
import time

import pytest

from classicvision.index.index import Index
from classicvision.index.verify import find_damage

N_KILLS = 6

# Adds made images one by one and in batches, removes some, and says on a line what is acknowledged after each commit.
SCRIPT = textwrap.dedent(
    """
    import os, sys
    import numpy as np
    from classicvision.features.global_features import GlobalFeatures
    from classicvision.features.local import LocalFeatures
    from classicvision.index.writer import IndexWriter

    rng = np.random.default_rng(int(sys.argv[2]))
    status = os.stat(".")
    with IndexWriter(sys.argv[1]) as writer:
        print("open", flush=True)
        while True:
            added, removed = [], []
            for _ in range(int(rng.integers(1, 5))):
                n = int(rng.integers(0, 50))
                features = LocalFeatures(
                    rng.uniform(0, 99, (n, 2)), np.ones(n), np.zeros(n), np.ones(n),
                    rng.integers(0, 256, (n, 128)).astype(np.uint8), (100, 100),
                )
                content = rng.bytes(32).hex()
                whole = GlobalFeatures(content, np.ones(256))
                added.append((writer.add(f"{content}.jpg", features, whole, content=content, status=status), content))
            ids = writer.index.ids
            if len(ids) > 4 and rng.random() < 0.5:
                number = int(rng.choice(ids))
                print("removing", number, flush=True)
                writer.remove(number)
                removed.append(number)
            writer.commit()
            for number, content in added:
                print("added", number, content)
            for number in removed:
                print("removed", number)
            sys.stdout.flush()
    """
)


@pytest.fixture
def process(index, tmp_path, checkout):
    """Return a function that starts the script with a seed."""
    script = tmp_path / "add.py"
    script.write_text(SCRIPT)
    environment = os.environ | {"PYTHONPATH": str(checkout), "OMP_NUM_THREADS": "1"}
    return lambda seed: subprocess.Popen(
        [sys.executable, script, index.folder, str(seed)], env=environment, stdout=subprocess.PIPE, text=True
    )


def reported(lines):
    """Return what the process reported: content by number of what is in, and the numbers it was to remove, and did."""
    words = [line.split() for line in lines if line.endswith("\n")]  # the last line may be cut
    added = {int(w[1]): w[2] for w in words if w[0] == "added"}
    return added, *({int(w[1]) for w in words if w[0] == verb} for verb in ("removing", "removed"))


def test_what_was_acknowledged_survives_a_kill_at_any_moment(index, process):
    added, to_remove, removed = {}, set(), set()
    chance = random.Random(0)
    for seed in range(N_KILLS):
        running = process(seed)
        assert running.stdout.readline() == "open\n"
        time.sleep(chance.uniform(0, 0.5))
        running.kill()
        newly = reported(running.communicate()[0].splitlines(keepends=True))
        added, to_remove, removed = added | newly[0], to_remove | newly[1], removed | newly[2]
        after = Index.open(index.folder)
        for number in added.keys() - to_remove:
            assert after.image(number).content == added[number]
            assert len(after.features(number)) == after.image(number).n_keypoints
        assert not removed & set(after.ids.tolist())
        assert find_damage(index.folder) == ()
    assert added


def test_readers_next_to_a_writer_see_whole_states_only(index, process):
    running = process(1)
    assert running.stdout.readline() == "open\n"
    sizes, end = [], time.monotonic() + 3
    while time.monotonic() < end:
        snapshot = Index.open(index.folder)
        sizes.append(len(snapshot))
        for number in snapshot.ids[-3:].tolist():
            assert len(snapshot.features(number)) == snapshot.image(number).n_keypoints
    running.kill()
    running.communicate()
    assert sizes[-1] > sizes[0]
