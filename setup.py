"""Build the C++ kernels: each kernel file once per instruction set. All metadata is in setup.cfg.

Objects are compiled in parallel, and only those whose source, headers or flags have changed. Where no C++17 compiler is
found the package is installed without kernels, and everything works without them, slower.
"""

from __future__ import annotations

import hashlib
import os
import subprocess
import tempfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

from setuptools import Extension, setup
from setuptools.command.build_ext import build_ext
from setuptools.errors import CCompilerError, CompileError, ExecError, PlatformError

NATIVE = Path("classicvision/_native")
# Compiled once, with the bindings. Every other source is a kernel file, compiled once per instruction set.
SHARED = ["module.cpp", "dispatch.cpp", "arena.cpp", "image_votes.cpp"]

# What each instruction set adds. A build skips those that its compiler does not support.
X86_FLAGS = {
    "v3": ["-march=x86-64-v3"],
    "v4": ["-march=x86-64-v4", "-mavx512vnni", "-mprefer-vector-width=512"],
}
# No sum is fused unless the source says so. The AVX-512 header and vectors as arguments make GCC warn for no reason.
GNU_FLAGS = ["-O3", "-g0", "-std=c++17", "-ffp-contract=off", "-fvisibility=hidden"]
GNU_FLAGS += ["-Wno-unknown-warning-option", "-Wno-psabi", "-Wno-uninitialized", "-Wno-maybe-uninitialized"]
MSVC_FLAGS = ["/O2", "/std:c++17", "/EHsc"]
MSVC_X86_FLAGS = {"v3": ["/arch:AVX2"], "v4": ["/arch:AVX512"]}

# GCC 12 and 13 have a fault (PR 110702). Their induction-variable pass may address a store as 0 + two integers. Later
# passes take that for a store to a null pointer, which cannot happen, conclude that the function writes nothing, and
# remove the calls to it. On AArch64 this removed SIFT's `sample_gradients` and `mirror_ends`. With this flag address 0
# is an address like any other, and nothing is concluded.
FAULTY_GCC = (12, 13)
KEEP_STORES = ["-fno-delete-null-pointer-checks"]


def find_kernels(native: Path = NATIVE) -> list[Path]:
    """Return the sources that are compiled once per instruction set."""
    return [path for path in sorted(native.glob("*.cpp")) if path not in find_shared(native)]


def find_shared(native: Path = NATIVE) -> list[Path]:
    """Return the sources that are compiled once."""
    return [native / name for name in SHARED] + sorted(native.glob("bind_*.cpp"))


def gnu_flags(compiler: list[str]) -> list[str]:
    """Return the flags for GCC or Clang, given the command that compiles."""
    command = [*compiler, "-dM", "-E", "-x", "c++", os.devnull]  # lists the predefined macros
    try:
        defined = subprocess.run(command, capture_output=True, text=True, check=False).stdout.splitlines()
    except OSError:  # compiling anything says better what is wrong
        return GNU_FLAGS
    is_clang = any(line.startswith("#define __clang__ ") for line in defined)
    is_faulty = not is_clang and any(f"#define __GNUC__ {version}" in defined for version in FAULTY_GCC)
    return GNU_FLAGS + (KEEP_STORES if is_faulty else [])


class Job(NamedTuple):
    """One object to compile."""

    source: Path
    folder: Path  # of one instruction set
    built: Path
    macros: list[tuple[str, str]]
    flags: list[str]

    @property
    def depfile(self) -> Path:
        """What GCC and Clang write: a make rule that names every file that the object was made from."""
        return self.built.with_suffix(".d")

    @property
    def record(self) -> Path:
        """Where the options and the inputs of the last complete compilation are kept."""
        return self.built.with_suffix(".inputs")

    def is_done(self, options: str) -> bool:
        """Tell whether the object was compiled with these options from the files as they are."""
        if not self.built.is_file() or not self.record.is_file():
            return False
        return self.record.read_text("utf-8") == self.state(options)

    def state(self, options: str) -> str:
        """Return the options and a hash of the inputs; their times change whenever git checks out another branch."""
        digest = hashlib.sha256()
        for path in self._inputs():
            digest.update(path.read_bytes() if path.is_file() else b"missing")
        return f"{options}\n{digest.hexdigest()}\n"

    def _inputs(self) -> list[Path]:
        """Return the source and its headers; without a depfile, all headers."""
        if not self.depfile.is_file():
            return [self.source, *sorted(NATIVE.glob("*.h"))]
        names = self.depfile.read_text("utf-8").replace("\\\n", " ").split(": ", 1)[1]
        return [Path(name) for name in names.split()]


class BuildKernels(build_ext):
    """Compiles the kernel files for each instruction set and links them with the bindings."""

    def build_extension(self, ext: Extension) -> None:
        """Compile what has changed, in parallel, and link."""
        try:
            with ThreadPoolExecutor(os.cpu_count()) as pool:
                objects = list(pool.map(self._compile, self._jobs(ext)))
            self.compiler.link_shared_object(
                objects,
                self.get_ext_fullpath(ext.name),
                libraries=self.get_libraries(ext),
                export_symbols=self.get_export_symbols(ext),
                build_temp=self.build_temp,
                target_lang="c++",
            )
        except (CCompilerError, CompileError, ExecError, PlatformError) as error:
            self.warn("no C++17 compiler worked; classicvision is installed without compiled kernels")
            raise error  # an optional extension: the installation continues

    def _jobs(self, ext: Extension) -> Iterator[Job]:
        is_msvc = self.compiler.compiler_type == "msvc"
        common = MSVC_FLAGS if is_msvc else gnu_flags(self.compiler.compiler_so_cxx)
        common = [*common, *os.environ.get("CLASSICVISION_CXXFLAGS", "").split()]
        chosen = {"portable": []} | self._supported(MSVC_X86_FLAGS if is_msvc else X86_FLAGS)
        macros = [*ext.define_macros, *((f"CV_HAVE_{isa.upper()}", "1") for isa in chosen)]
        for source in find_shared():
            yield self._job(source, "shared", macros, common)
        # Templates of the standard library that are not inlined are in the objects of every instruction set, and a
        # linker keeps the first it meets: those of the portable one come first, to run anywhere.
        for isa, flags in chosen.items():
            for source in find_kernels():
                yield self._job(source, isa, [("CV_ISA", isa)], common + flags)

    def _job(self, source: Path, name: str, macros: list[tuple[str, str]], flags: list[str]) -> Job:
        folder = Path(self.build_temp) / name
        [built] = self.compiler.object_filenames([str(source)], output_dir=str(folder))
        return Job(source, folder, Path(built), macros, flags)

    def _compile(self, job: Job) -> str:
        is_msvc = self.compiler.compiler_type == "msvc"
        flags = job.flags if is_msvc else [*job.flags, "-MMD", "-MF", str(job.depfile)]
        options = repr((flags, job.macros, None if is_msvc else self.compiler.compiler_so_cxx))
        if not job.is_done(options):
            job.built.parent.mkdir(parents=True, exist_ok=True)
            job.record.unlink(missing_ok=True)  # an interrupted compilation leaves nothing that looks complete
            place = str(job.folder)
            self.compiler.compile([str(job.source)], output_dir=place, macros=job.macros, extra_postargs=flags)
            job.record.write_text(job.state(options), "utf-8")
        return str(job.built)

    def _supported(self, candidates: dict[str, list[str]]) -> dict[str, list[str]]:
        """Return the instruction sets that this machine kind and compiler have."""
        if not self.plat_name.endswith(("x86_64", "amd64")):
            return {}
        return {isa: flags for isa, flags in candidates.items() if self._accepts(flags)}

    def _accepts(self, flags: list[str]) -> bool:
        with tempfile.TemporaryDirectory() as folder:
            source = Path(folder) / "empty.cpp"
            source.write_text("int nothing;\n", "utf-8")
            try:
                self.compiler.compile([str(source)], output_dir=folder, extra_postargs=flags)
            except CompileError:
                return False
        return True


if __name__ == "__main__":
    setup(
        ext_modules=[
            Extension(
                "classicvision._native._kernels",
                [str(path) for path in [*find_shared(), *find_kernels()]],
                depends=[str(path) for path in sorted(NATIVE.glob("*.h"))],
                language="c++",
                define_macros=[("Py_LIMITED_API", "0x030B0000")],
                py_limited_api=True,
                optional=True,
            )
        ],
        cmdclass={"build_ext": BuildKernels},
        options={"bdist_wheel": {"py_limited_api": "cp311"}},
    )
