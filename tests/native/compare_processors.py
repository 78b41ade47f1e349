"""Hold the portable kernels, cross-compiled and run in an emulator, to the results that they have on this machine.

    python tests/native/compare_processors.py --compiler aarch64-linux-gnu-g++ --emulator qemu-aarch64

Both builds are of the same sources with the flags of `setup.py`. What is compared, on two real images: SIFT in both
precisions, RootSIFT, nearest words, means, matching from the nearest two to the homography, and dense SIFT.

Every number must be the same bits, floats too: the portable kernels fuse no sums, and glibc's exp, sin and cos give the
same results on both processors.
"""

from __future__ import annotations

import argparse
import os
import runpy
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
from skimage import color, data

CHECKOUT = Path(__file__).resolve().parents[2]
NATIVE = CHECKOUT / "classicvision/_native"


def write_pgm(path: Path, gray: np.ndarray) -> None:
    path.write_bytes(b"P5\n%d %d\n255\n" % gray.shape[::-1] + np.ascontiguousarray(gray, np.uint8).tobytes())


def write_images(folder: Path) -> list[Path]:
    """Write an image, and a part of it that is rotated by a quarter."""
    gray = np.rint(color.rgb2gray(data.astronaut()) * 255).astype(np.uint8)
    paths = [folder / "image.pgm", folder / "other.pgm"]
    write_pgm(paths[0], gray)
    write_pgm(paths[1], np.rot90(gray[40:440, 60:420]))
    return paths


def build(compiler: str, folder: Path) -> Path:
    """Compile every kernel file and the driver, and return the program."""
    rules = runpy.run_path(str(CHECKOUT / "setup.py"), run_name="rules")
    flags = [*rules["gnu_flags"]([compiler]), "-DCV_ISA=portable", f"-I{NATIVE}"]
    sources = [*rules["find_kernels"](NATIVE), NATIVE / "arena.cpp", Path(__file__).with_name("every_kernel.cpp")]
    folder.mkdir()
    objects = [folder / f"{source.stem}.o" for source in sources]

    def compile_one(pair: tuple[Path, Path]) -> None:
        subprocess.run([compiler, *flags, "-c", str(pair[0]), "-o", str(pair[1])], check=True)

    with ThreadPoolExecutor(os.cpu_count()) as pool:
        list(pool.map(compile_one, zip(sources, objects, strict=True)))
    program = folder / "every_kernel"
    subprocess.run([compiler, "-static", *map(str, objects), "-o", str(program)], check=True)
    return program


def read_arrays(output: bytes) -> dict[str, np.ndarray]:
    arrays, at = {}, 0
    while at < len(output):
        end = output.index(b"\n", at)
        name, kind, rows, width = output[at:end].decode().split()
        shape, kind = (int(rows), int(width)), np.dtype(kind)
        arrays[name] = np.frombuffer(output, kind, shape[0] * shape[1], end + 1).reshape(shape)
        at = end + 1 + arrays[name].nbytes
    return arrays


def describe_difference(here: np.ndarray, there: np.ndarray) -> str | None:
    """Return what differs, None if both are the same bits."""
    if here.shape != there.shape:
        return f"{len(here)} rows here, {len(there)} there"
    if here.tobytes() == there.tobytes():
        return None
    gap = np.abs(here.astype(float) - there.astype(float))
    return f"{np.count_nonzero(gap)} of {here.size} numbers differ, by {np.nanmax(gap):.3g} at most"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--compiler", default="aarch64-linux-gnu-g++", help="cross compiler")
    parser.add_argument("--emulator", default="qemu-aarch64", help="what runs its programs")
    parser.add_argument("--host", default=os.environ.get("CXX", "g++"), help="compiler of this machine")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as work:
        images = [str(path) for path in write_images(Path(work))]
        programs = [
            [str(build(given.host, Path(work) / "here"))],
            [given.emulator, str(build(given.compiler, Path(work) / "there"))],
        ]
        here, there = (
            read_arrays(subprocess.run([*program, *images], capture_output=True, check=True).stdout)
            for program in programs
        )
    n_different = 0
    for name, array in here.items():
        difference = describe_difference(array, there[name])
        n_different += difference is not None
        sys.stdout.write(f"{name:22} {array.dtype.str[1:]} {array.shape!s:14} {difference or 'same bits'}\n")
    return 1 if n_different or here.keys() != there.keys() else 0


if __name__ == "__main__":
    sys.exit(main())
