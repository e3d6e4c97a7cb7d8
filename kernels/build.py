"""The cffi builder of intq.kernels._native: declarations from decl.h and decl_lowbit.h, sources by the file-stem rule of setup.py."""

from __future__ import annotations

from pathlib import Path

import cffi

HERE = Path(__file__).parent


def declarations() -> str:
    return (HERE / "decl.h").read_text() + (HERE / "decl_lowbit.h").read_text()


ffi = cffi.FFI()
ffi.cdef(declarations())
ffi.set_source("intq.kernels._native", '#include <stdint.h>\n#include "kernels.h"\n', sources=[], include_dirs=["kernels", "runtime"])
