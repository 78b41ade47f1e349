"""Run a command and tell how long it took and how much memory it and its children held at most."""

from __future__ import annotations

import subprocess
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import psutil


@dataclass(frozen=True)
class Run:
    """What a command printed, its wall time in seconds, and its peak memory in bytes over the tree of processes."""

    output: str
    seconds: float
    peak_bytes: int


def run(command: Sequence[str | Path]) -> Run:
    """Run a command to its end; its failure is ours.

    Memory is the sum over all processes of what each holds alone plus its share of what it shares (PSS where the system
    tells it, else RSS), sampled every 50 ms.
    """
    start = time.monotonic()
    process = subprocess.Popen([str(word) for word in command], stdout=subprocess.PIPE, text=True)
    peak = [0]
    watcher = threading.Thread(target=_watch, args=(process.pid, peak), daemon=True)
    watcher.start()
    output, _ = process.communicate()
    seconds = time.monotonic() - start
    watcher.join()
    if process.returncode:
        raise SystemExit(f"{' '.join(map(str, command))} ended with {process.returncode}")
    return Run(output, seconds, peak[0])


def _watch(pid: int, peak: list[int]) -> None:
    try:
        root = psutil.Process(pid)
        while root.is_running() and root.status() != psutil.STATUS_ZOMBIE:
            peak[0] = max(peak[0], sum(map(_held, [root, *root.children(recursive=True)])))
            time.sleep(0.05)
    except psutil.NoSuchProcess:
        return


def _held(process: psutil.Process) -> int:
    try:
        info = process.memory_full_info()
    except (psutil.NoSuchProcess, psutil.AccessDenied):
        return 0
    return int(getattr(info, "pss", 0) or info.rss)
