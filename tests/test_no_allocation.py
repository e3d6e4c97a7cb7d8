"""`Session.invoke` allocates nothing: the allocator of the process is replaced by one that counts while a flag is up."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

HOOK = r"""
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stddef.h>
#include <string.h>
#include <sys/mman.h>
volatile long hook_on, hook_count;
static char early[65536];
static size_t used;
#define NEXT(name) static __typeof__(name) *next; if (!next) next = (__typeof__(name) *)dlsym(RTLD_NEXT, #name); if (hook_on) hook_count++;
void *malloc(size_t n) { NEXT(malloc) return next(n); }
void *realloc(void *p, size_t n) { NEXT(realloc) return next(p, n); }
void *calloc(size_t n, size_t m) {
    static void *(*next)(size_t, size_t);
    static int busy;
    if (hook_on) hook_count++;
    if (!next && busy) { /* dlsym itself asks for memory */
        void *p = early + used;
        used += (n * m + 15) & ~(size_t)15;
        return p;
    }
    busy = 1;
    if (!next) next = (void *(*)(size_t, size_t))dlsym(RTLD_NEXT, "calloc");
    return next(n, m);
}
int posix_memalign(void **p, size_t a, size_t n) { NEXT(posix_memalign) return next(p, a, n); }
void *aligned_alloc(size_t a, size_t n) { NEXT(aligned_alloc) return next(a, n); }
void *mmap(void *a, size_t n, int p, int f, int d, off_t o) { NEXT(mmap) return next(a, n, p, f, d, o); }
void free(void *p) {
    static void (*next)(void *);
    if ((char *)p >= early && (char *)p < early + sizeof early) return;
    if (!next) next = (void (*)(void *))dlsym(RTLD_NEXT, "free");
    next(p);
}
#include <stdlib.h>
"""

PROGRAM = """
import ctypes, sys
import numpy as np
import intq
from intq import Session
hook = ctypes.CDLL(None)
on, count = (ctypes.c_long.in_dll(hook, name) for name in ("hook_on", "hook_count"))
on.value = 1
block = ctypes.create_string_buffer(1 << 20)
assert count.value > 0, "the hook does not see allocations"
for threads in (1, 2):
    session = Session(sys.argv[1], threads=threads)
    for _ in range(20):
        session.invoke()
    count.value = 0
    for _ in range(200):
        session.invoke()
    print(threads, count.value)
"""


@pytest.mark.skipif(not sys.platform.startswith("linux") or shutil.which("gcc") is None, reason="needs Linux and gcc")
def test_invoke_allocates_nothing(tmp_path: Path) -> None:
    from test_session import MODEL

    source, library, model = tmp_path / "hook.c", tmp_path / "hook.so", tmp_path / "m.intq"
    source.write_text(HOOK)
    subprocess.run(["gcc", "-shared", "-fPIC", "-O1", "-w", "-o", library, source, "-ldl"], check=True)
    MODEL.save(model)
    run = subprocess.run(
        [sys.executable, "-c", PROGRAM, str(model)], env={**os.environ, "LD_PRELOAD": str(library)}, capture_output=True, text=True, timeout=120
    )
    assert run.returncode == 0, run.stderr[-2000:]
    assert run.stdout.split("\n")[:2] == ["1 0", "2 0"], run.stdout
