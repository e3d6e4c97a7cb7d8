"""Builds intq.kernels._native: every kernels/<op>/<isa>.c with the flags of its row in isa.def, everything else without.

An ISA whose flags the compiler does not know is left out. Without any C compiler the package still installs and runs on Numba
or NumPy; set INTQ_NO_NATIVE=1 to ask for that.
"""

import concurrent.futures
import functools
import hashlib
import os
import platform
import re
import shlex
import sys
import tempfile
from pathlib import Path

from setuptools import setup
from setuptools.command.build_ext import build_ext

ROOT = Path(__file__).parent.resolve()
sys.path.insert(0, str(ROOT / "kernels"))
import defs  # noqa: E402

MACHINE = {"x86_64": "x86", "amd64": "x86", "aarch64": "arm", "arm64": "arm"}.get(platform.machine().lower(), "other")
# -fwrapv: accumulators wrap modulo 2^32 by design. -ffp-contract=off: the edge must round like NumPy.
# -g0: Python's own flags ask for debugging information, seven times the size of the code. -falign-functions: the place of a loop in its cache
# lines, worth several per cent, shall not depend on the code in front of it.
COMMON = ["-std=gnu11", "-O3", "-g0", "-falign-functions=64", "-fwrapv", "-ffp-contract=off", "-fno-strict-aliasing", "-Wall", "-Wextra", "-pthread",
          "-fvisibility=hidden"]  # fmt: skip
PLAIN = ["kernels/table.c", "runtime/run.c", "runtime/pool.c"]


@functools.cache
def included(path):
    """The file and everything that it includes from this project."""
    found = {path}
    for name in re.findall(r'#include "([^"]+)"', path.read_text()):
        target = next((p / name for p in (path.parent, ROOT / "kernels", ROOT / "runtime") if (p / name).exists()), None)
        if target is not None and target not in found:
            found |= included(target)
    return found


class BuildKernels(build_ext):
    def build_extension(self, ext):
        ext.depends = depends()
        extra = shlex.split(os.environ.get("INTQ_CFLAGS", ""))
        include = [str(ROOT / "kernels"), str(ROOT / "runtime")]
        macros = []
        for name, arch, flags, _ in defs.isas():
            sources = sorted(str(p.relative_to(ROOT)) for p in (ROOT / "kernels").glob(f"*/{name}.c"))
            usable = arch in (MACHINE, "any") and self._knows(flags)
            if usable:
                ext.extra_objects += self._compile(sources, include, COMMON + flags + extra)
            macros.append((f"IF_{name}(...)", "__VA_ARGS__" if usable else ""))
        ext.define_macros += macros
        ext.sources += [p for p in PLAIN if (ROOT / p).exists()]
        ext.include_dirs += include
        ext.extra_compile_args += COMMON + extra
        ext.extra_link_args += ["-pthread", *extra]
        super().build_extension(ext)

    def _compile(self, sources, include, flags):
        """Objects of the sources, two at a time; those newer than everything they may include are kept from the last build."""
        folder = Path(self.build_temp) / hashlib.sha256(" ".join(flags).encode()).hexdigest()[:12]
        jobs = []
        objects = self.compiler.object_filenames(sources, output_dir=str(folder))
        for source, target in zip(sources, objects, strict=True):
            newest = max(p.stat().st_mtime for p in [ROOT / "setup.py", *included(ROOT / source)])
            if not os.path.exists(target) or os.path.getmtime(target) <= newest:
                jobs.append(source)

        def compile_one(source):
            self.compiler.compile([source], str(folder), include_dirs=include, extra_postargs=flags)

        with concurrent.futures.ThreadPoolExecutor(2) as pool:
            list(pool.map(compile_one, jobs))
        return objects

    def _knows(self, flags):
        with tempfile.TemporaryDirectory() as folder:
            source = Path(folder) / "probe.c"
            source.write_text("int intq_probe;\n")
            try:
                self.compiler.compile([str(source)], folder, extra_postargs=list(flags))
            except Exception:
                return False
            return True


class OptionalKernels(BuildKernels):
    def run(self):
        try:
            super().run()
        except Exception as error:  # no compiler: the portable backends remain
            if os.environ.get("INTQ_REQUIRE_NATIVE"):
                raise
            print(f"warning: the C kernels were not built ({error}); intq will run on its Numba or NumPy backend", file=sys.stderr)


def depends():
    paths = (p for folder in ("kernels", "runtime") for p in (ROOT / folder).rglob("*"))
    return sorted(str(p.relative_to(ROOT)) for p in paths if p.suffix in {".c", ".h", ".inc", ".def"})


def packages():
    """The four code folders are the package: runtime/ is intq itself, the others its children; every folder with an __init__.py counts."""
    found = {}
    for folder, name in (("runtime", "intq"), ("kernels", "intq.kernels"), ("converter", "intq.converter"), ("bench", "intq.bench")):
        for init in sorted((ROOT / folder).rglob("__init__.py")):
            path = init.parent.relative_to(ROOT)
            found[".".join([name, *path.parts[1:]])] = str(path)
    return found


native = {} if os.environ.get("INTQ_NO_NATIVE") else {"cffi_modules": ["kernels/build.py:ffi"], "cmdclass": {"build_ext": OptionalKernels}}
setup(packages=list(packages()), package_dir=packages(), **native)
