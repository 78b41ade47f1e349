"""Run a command and measure its time and the peak memory of its whole process tree."""

from __future__ import annotations

import resource
import subprocess
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import psutil


@dataclass(frozen=True)
class Run:
    """A command's output, its wall and processor time in seconds, and its peak memory in bytes.

    Processor time and memory are those of the whole tree of processes.
    """

    output: str
    seconds: float
    cpu_seconds: float
    peak_bytes: int


def run(command: Sequence[str | Path]) -> Run:
    """Run a command to its end; raises if it fails.

    Memory is summed over all processes, dividing shared pages among them (PSS where the system has it, else RSS), and
    sampled every 50 ms.
    """
    start, cpu_start = time.monotonic(), _cpu_of_children()
    process = subprocess.Popen([str(word) for word in command], stdout=subprocess.PIPE, text=True)
    peak = [0]
    watcher = threading.Thread(target=_watch, args=(process.pid, peak), daemon=True)
    watcher.start()
    output, _ = process.communicate()
    seconds, cpu_seconds = time.monotonic() - start, _cpu_of_children() - cpu_start
    watcher.join()
    if process.returncode:
        raise SystemExit(f"{' '.join(map(str, command))} ended with {process.returncode}")
    return Run(output, seconds, cpu_seconds, peak[0])


def _cpu_of_children() -> float:
    """Return the processor time of all child processes that have ended."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


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
