"""The wheel in a fresh environment without a compiler: it imports its kernels and passes tests of the runtime."""

from __future__ import annotations

import importlib.metadata
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from export_tools import run

ROOT = Path(__file__).parent.parent
TESTS = ["test_session.py", "test_format.py", "test_arena.py", "test_tflite_models.py", "test_export_c.py"]


@pytest.mark.full
def test_wheel_without_a_compiler(tmp_path: Path) -> None:
    if int(importlib.metadata.version("setuptools").split(".")[0]) < 77:
        pytest.skip("building without isolation needs setuptools >= 77 in this environment")
    pytest.importorskip("build")
    source = tmp_path / "source"
    run(["git", "clone", "-q", str(ROOT), str(source)])
    run([sys.executable, "-m", "build", "--wheel", "--no-isolation", "-o", str(tmp_path / "dist"), str(source)], 1200)
    wheel = next((tmp_path / "dist").glob("*.whl"))
    run([sys.executable, "-m", "venv", str(tmp_path / "venv")])
    python = tmp_path / "venv" / "bin" / "python"
    installed = subprocess.run([python, "-m", "pip", "install", "-q", f"{wheel}[tflite]", "pytest", "hypothesis"], capture_output=True, text=True)
    if installed.returncode:
        pytest.skip(f"no packages to install: {installed.stderr[-200:]}")
    shutil.copytree(ROOT / "tests", tmp_path / "run" / "tests")
    shutil.copytree(ROOT / "examples", tmp_path / "run" / "examples")
    (tmp_path / "run" / "pytest.ini").write_text("[pytest]\nmarkers =\n    full: slow\n    conformance: long\n    shared: needs models\n")
    shared = os.environ.get("INTQ_SHARED", str(ROOT.parent / "shared"))
    bare = {"PATH": str(tmp_path / "empty"), "INTQ_SHARED": shared, "HOME": str(tmp_path)}
    check = "from intq.kernel_api import have_native; import intq; assert have_native() and 'site-packages' in intq.__file__"
    subprocess.run([python, "-c", check], env=bare, check=True)
    command = [str(python), "-m", "pytest", "-q", "-p", "no:cacheprovider", *(f"tests/{t}" for t in TESTS)]
    done = subprocess.run(command, env=bare, cwd=tmp_path / "run", capture_output=True, text=True, timeout=1200)
    assert done.returncode == 0, done.stdout[-4000:]
