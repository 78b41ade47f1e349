"""Find copies by the local descriptors of Thorn's `perception`; runs in an environment that has it.

    python copies_by_descriptors.py files.json distances.f32

`files.json` has `originals` and `copies`, lists of paths. The output is raw float32 (copies, originals): minus the
number of inliers where `deduplicate`, with its default settings, reports a pair as duplicates, and 0 elsewhere.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

import cv2
import numpy as np
from perception.local_descriptor_deduplication import deduplicate


def main() -> None:
    files, output = sys.argv[1:]
    cv2.setNumThreads(1)
    paths = json.loads(Path(files).read_text("utf-8"))
    found = deduplicate(paths["originals"], paths["copies"], use_gpu=False, max_workers=1, verbose=True)
    row, column = ({path: i for i, path in enumerate(paths[kind])} for kind in ("copies", "originals"))
    distances = np.zeros((len(row), len(column)), np.float32)
    for copy, original, facts in found:
        distances[row[copy], column[original]] = -float(facts["inliers"])
    distances.tofile(output)


if __name__ == "__main__":
    main()
