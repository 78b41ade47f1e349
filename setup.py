"""Build the C++ kernels: each kernel file once for each instruction set. All metadata is in setup.cfg.

Where no C++17 compiler is found the package is installed without kernels, and everything works without them, slower.
"""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

from setuptools import Extension, setup
from setuptools.command.build_ext import build_ext
from setuptools.errors import CCompilerError, CompileError, ExecError, PlatformError

NATIVE = Path("classicvision/_native")
# Compiled once for each instruction set.
KERNELS = [
    "agree.cpp",
    "dense.cpp",
    "errors.cpp",
    "fit.cpp",
    "hamming.cpp",
    "lanes.cpp",
    "match.cpp",
    "means.cpp",
    "mixture.cpp",
    "project.cpp",
    "sift.cpp",
    "words.cpp",
]
# Compiled once.
BINDING = [
    "module.cpp",
    "dispatch.cpp",
    "arena.cpp",
    "bind_dense.cpp",
    "bind_hamming.cpp",
    "bind_match.cpp",
    "bind_mixture.cpp",
    "bind_sift.cpp",
    "bind_words.cpp",
    "votes.cpp",
]

# What each instruction set adds. A build leaves out those that its compiler does not have.
X86_FLAGS = {
    "v3": ["-march=x86-64-v3"],
    "v4": ["-march=x86-64-v4", "-mavx512vnni", "-mprefer-vector-width=512"],
}
# No sums are fused behind our back; the header of AVX-512 intrinsics and the ABI of vectors make GCC talk of nothing.
GNU_COMMON = ["-O3", "-g0", "-std=c++17", "-ffp-contract=off", "-fvisibility=hidden"]
GNU_COMMON += ["-Wno-unknown-warning-option", "-Wno-psabi", "-Wno-uninitialized", "-Wno-maybe-uninitialized"]
MSVC_COMMON = ["/O2", "/std:c++17", "/EHsc"]
MSVC_FLAGS = {"v3": ["/arch:AVX2"], "v4": ["/arch:AVX512"]}


class BuildKernels(build_ext):
    """Compiles the kernel files for each instruction set, and the rest as usual."""

    def build_extension(self, ext: Extension) -> None:
        """Compile the kernel files and link them with the binding."""
        is_msvc = self.compiler.compiler_type == "msvc"
        common = MSVC_COMMON if is_msvc else [*GNU_COMMON, *os.environ.get("CLASSICVISION_CXXFLAGS", "").split()]
        try:
            chosen = {"portable": []} | self._supported(MSVC_FLAGS if is_msvc else X86_FLAGS)
            # Templates of the standard library that are not inlined are in the objects of every instruction set, and a
            # linker keeps the first it meets: those of the portable one must come first, to run anywhere.
            ext.extra_objects = [
                built for isa, flags in chosen.items() for built in self._compile_kernels(isa, common + flags)
            ]
            ext.extra_compile_args = common
            ext.define_macros += [(f"CV_HAVE_{isa.upper()}", "1") for isa in chosen]
            self.force = True  # the kernels have just been compiled, so link them
            super().build_extension(ext)
        except (CCompilerError, CompileError, ExecError, PlatformError) as error:
            self.warn("no C++17 compiler worked; classicvision is installed without compiled kernels")
            raise error  # an optional extension: the installation goes on

    def _compile_kernels(self, isa: str, flags: list[str]) -> list[str]:
        return self.compiler.compile(
            [str(NATIVE / name) for name in KERNELS],
            output_dir=str(Path(self.build_temp) / isa),
            macros=[("CV_ISA", isa)],
            extra_postargs=flags,
        )

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


setup(
    ext_modules=[
        Extension(
            "classicvision._native._kernels",
            [str(NATIVE / name) for name in BINDING],
            depends=[str(path) for path in sorted([*NATIVE.glob("*.cpp"), *NATIVE.glob("*.h")])],
            language="c++",
            define_macros=[("Py_LIMITED_API", "0x030B0000")],
            py_limited_api=True,
            optional=True,
        )
    ],
    cmdclass={"build_ext": BuildKernels},
    options={"bdist_wheel": {"py_limited_api": "cp311"}},
)
