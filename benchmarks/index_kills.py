"""`kill -9` at random moments of `index add`: nothing may be lost, and the index must always open.

A folder of real images (Scene-15) is added to an index as by the command, repeatedly, but in batches of 8 instead of
256, so that most moments fall into a commit or a merge; each time the process is killed at a random moment. Meanwhile
this process reads the index. What a reader has seen counts as acknowledged; after each kill all of it must still be
there, with its features, and every checksum must be correct.

    python benchmarks/index_kills.py --kills 50
"""

from __future__ import annotations

import argparse
import json
import random
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import protocol

from classicvision import Index, workflows
from classicvision.cache import FeatureCache

ADD = """
import sys
from classicvision import FeatureCache
from classicvision.workflows import index
index.BATCH = 8
index.add_to_index(*sys.argv[1:3], cache=FeatureCache(sys.argv[3]))
"""
SECONDS = 3.0  # from the first commit to the kill, at most


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=50)
    parser.add_argument("--cache", type=Path, help="folder of a feature cache to keep between runs")
    arguments = parser.parse_args()
    images = protocol.shared_data() / "scene15"
    with tempfile.TemporaryDirectory() as folder:
        cache = arguments.cache or Path(folder) / "cache"
        index = Path(folder) / "scene15.cvindex"
        recreate(index, cache)
        chance = random.Random(0)
        figures = {
            "kills": 0,
            "while writing": 0,
            "images acknowledged at most": 0,
            "lost": 0,
            "damaged": 0,
            "opened": 0,
        }
        while figures["kills"] < arguments.kills:
            seen, finished = add_and_kill(index, images, cache, chance.uniform(0, SECONDS))
            if finished:
                recreate(index, cache)
                continue
            figures["kills"] += 1
            figures["while writing"] += any(index.glob(".classicvision-*.tmp")) or len(stray(index)) > 0
            after = Index.open(index)
            figures["opened"] += 1
            figures["lost"] += sum(number not in after for number in seen)
            figures["damaged"] += len(workflows.verify_index(index))
            figures["images acknowledged at most"] = max(figures["images acknowledged at most"], len(seen))
            print(json.dumps(figures), flush=True)


def recreate(index: Path, cache: Path) -> None:
    """Create an index of a few images, which is enough for a vocabulary."""
    if index.exists():
        for path in index.iterdir():
            path.unlink()
        index.rmdir()
    workflows.build_index(protocol.shared_data() / "bsds500" / "train", index, cache=FeatureCache(cache), n_jobs=2)


def add_and_kill(index: Path, images: Path, cache: Path, seconds: float) -> tuple[set[int], bool]:
    """Run the command and kill it; return the images that a reader saw meanwhile, and whether it finished first."""
    process = subprocess.Popen([sys.executable, "-c", ADD, str(index), str(images), str(cache)])
    before = len(Index.open(index))
    seen: set[int] = set()
    end = float("inf")
    while time.monotonic() < end and process.poll() is None:
        snapshot = Index.open(index)
        seen.update(snapshot.ids.tolist())
        snapshot.features(int(snapshot.ids[-1]))
        if end == float("inf") and len(snapshot) > before:
            end = time.monotonic() + seconds
    finished = process.poll() is not None
    process.kill()
    process.wait()
    return seen, finished


def stray(index: Path) -> set[str]:
    """Return the names of files that do not belong to the index."""
    named = {file.name for file in Index.open(index).manifest.files}
    return {path.name for path in index.glob("*-0*") if path.name not in named}


if __name__ == "__main__":
    main()
