"""Entropy-coded files: transparent, checked, and no bombs."""

from __future__ import annotations

import importlib
from pathlib import Path
from typing import Any

import intq
import pytest
import shared
from intq import FormatError, InputError, Model, UnsupportedError, compress
from intq.cli import main
from intq.converter import convert
from intq.selftest import network

zstandard = pytest.importorskip("zstandard")


def test_loading_is_transparent(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    model = Model(network())
    model.save(tmp_path / "m.intq", compression="zstd")
    data = (tmp_path / "m.intq").read_bytes()
    assert data[:4] == compress.MAGIC
    assert intq.load(tmp_path / "m.intq").to_bytes() == model.to_bytes()
    assert model.sizes()["compressed"] == len(data) < model.sizes()["packed"]
    assert main(["inspect", str(tmp_path / "m.intq")]) == 0
    assert "compressed" in capsys.readouterr().out


def test_bombs_and_broken_frames(tmp_path: Path) -> None:
    stated = zstandard.ZstdCompressor().compress(bytes(1 << 28))
    unstated = zstandard.ZstdCompressor(write_content_size=False).compress(bytes(1 << 26))
    sound = compress.compress(Model(network()).to_bytes(), "zstd")
    flipped = sound[:-6] + bytes([sound[-6] ^ 255]) + sound[-5:]
    for data in (stated, unstated, sound[:-9], flipped, compress.MAGIC, compress.MAGIC + bytes(30)):
        (tmp_path / "bad.intq").write_bytes(data)
        with pytest.raises(FormatError):
            intq.load(tmp_path / "bad.intq")


def test_without_the_library(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    known, real = compress.compress(Model(network()).to_bytes(), "zstd"), importlib.import_module

    def absent(name: str) -> Any:
        if name == "zstandard":
            raise ImportError("no zstandard")
        return real(name)

    monkeypatch.setattr(compress.importlib, "import_module", absent)
    with pytest.raises(UnsupportedError, match=r"intq\[zstd\]"):
        Model(network()).save(tmp_path / "m.intq", compression="zstd")
    with pytest.raises(UnsupportedError, match=r"intq\[zstd\]"):
        Model.from_bytes(known)
    assert "compressed" not in Model(network()).sizes()
    with pytest.raises(InputError, match="gzip"):
        Model(network()).save(tmp_path / "m.intq", compression="gzip")


def test_pruned_network_shrinks() -> None:
    model = convert(shared.model("resnet20_sparse85.onnx"), calibration=shared.cifar_normalized("calib")[0][:16], recipe="fast")
    sizes = model.sizes()
    assert sizes["float"] == 4 * sizes["int8"]
    assert sizes["compressed"] < 0.45 * sizes["int8"] < sizes["packed"]
