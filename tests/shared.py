"""Locates the shared models and data that are not part of this repository, and prepares their inputs.

The folder is `$INTQ_SHARED`, else `../shared` beside the checkout. Without it a test skips with that reason; where `CI=true`
it fails instead, so that a green CI run has really run them.
"""

from __future__ import annotations

import csv
import os
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest

CIFAR_MEAN = np.array([0.4914, 0.4822, 0.4465], np.float32)
CIFAR_STD = np.array([0.2470, 0.2435, 0.2616], np.float32)
F32 = npt.NDArray[np.float32]
I64 = npt.NDArray[np.int64]


def root() -> Path:
    """The shared folder; skips (or, in CI, fails) the calling test where it is absent."""
    given = os.environ.get("INTQ_SHARED")
    here = Path(__file__).resolve().parents[1]
    for place in [Path(given)] if given else [here.parent / "shared", here.parent.parent / "shared"]:
        if (place / "models").is_dir():
            return place
    reason = "the shared models are absent: set INTQ_SHARED, or put them in ../shared"
    if os.environ.get("CI") == "true":
        pytest.fail(reason)
    pytest.skip(reason)


def model(name: str) -> Path:
    """Path of a model: `model("resnet8_cifar10.onnx")`, `model("int8_tflite/ad01_int8.tflite")`."""
    return root() / "models" / name


def _data(name: str) -> dict[str, npt.NDArray[np.generic]]:
    with np.load(root() / "data" / name, allow_pickle=False) as file:
        return {key: file[key] for key in file.files}


def cifar_raw(split: str = "test") -> tuple[F32, I64]:
    """ResNet-8: NCHW float32 raw pixels (2000 test images or 512 to calibrate), labels."""
    file = _data(f"cifar10_{split}.npz")
    return np.ascontiguousarray(file["images"].transpose(0, 3, 1, 2)).astype(np.float32), file["labels"].astype(np.int64)


def cifar_normalized(split: str = "test") -> tuple[F32, I64]:
    """ResNet-20 and the binary network: NCHW float32, normalized per channel."""
    images, labels = cifar_raw(split)
    return ((images / 255 - CIFAR_MEAN[:, None, None]) / CIFAR_STD[:, None, None]).astype(np.float32), labels


def kws(split: str = "test") -> tuple[F32, I64]:
    """KWS DS-CNN: (N,1,49,10) float32 features, labels."""
    file = _data(f"kws_mfcc_{split}.npz")
    features = (file["features_int8"].astype(np.float32) - 83) * np.float32(0.5847029)
    return np.ascontiguousarray(features.transpose(0, 3, 1, 2)), file["labels"].astype(np.int64)


def toycar() -> F32:
    """AD autoencoder: the (196,640) windows of a normal recording."""
    return _data("ad_toycar_normal.npz")["windows"].astype(np.float32)


def imagenet(size: int = 224, calibration: bool = False, count: int | None = None) -> tuple[npt.NDArray[np.uint8], I64]:
    """(N,size,size,3) uint8 images and labels 0..999; `calibration` picks the 128 calibration rows, else the other 372."""
    image = pytest.importorskip("PIL.Image")
    folder = root() / "data" / "imagenet_500"
    with (folder / "labels.csv").open(newline="") as file:
        rows = [row for row in csv.DictReader(file) if (row["calib"] == "1") == calibration][:count]
    pixels = []
    for row in rows:
        with image.open(folder / row["file"]) as picture:
            picture = picture.convert("RGB")
            pixels.append(np.asarray(picture if size == 224 else picture.resize((size, size), image.BILINEAR)))
    return np.stack(pixels), np.array([int(row["label"]) for row in rows])


def nchw(pixels: npt.NDArray[np.uint8], mean: float, scale: float) -> F32:
    """(pixels - mean) / scale as NCHW float32; MobileNetV2: 127, 127.5; VWW: 0, 255."""
    return np.ascontiguousarray(((pixels.astype(np.float32) - mean) / scale).transpose(0, 3, 1, 2))
