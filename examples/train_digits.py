"""Train the demo network on scikit-learn's handwritten digits; write `digits.onnx` and `digits.npz` beside this file.

    python examples/train_digits.py            # needs torch, onnx, onnxruntime and scikit-learn; ten seconds

The network has one of everything that a small vision model is made of: convolution with batch normalization, a
depthwise-separable block, a residual addition, pooling and a dense layer. Batch normalization stays unfused in the
file, so that the converter has it to fold. `--check` measures the committed files with onnxruntime instead of training.
"""

from __future__ import annotations

import argparse
import hashlib
from pathlib import Path

import numpy as np
import onnx
import torch
from sklearn.datasets import load_digits
from torch import nn

HERE = Path(__file__).resolve().parent
SEED = 7
TEST_IMAGES = 400
CALIBRATION_IMAGES = 128


def conv_bn(inputs: int, outputs: int, kernel: int = 3, groups: int = 1) -> nn.Sequential:
    """Convolution without bias and batch normalization, same padding."""
    conv = nn.Conv2d(inputs, outputs, kernel, padding=kernel // 2, groups=groups, bias=False)
    return nn.Sequential(conv, nn.BatchNorm2d(outputs))


class Digits(nn.Module):
    """(N, 1, 8, 8) pixels in 0..1 to (N, 10) logits."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = conv_bn(1, 16)
        self.depthwise = conv_bn(16, 16, groups=16)
        self.pointwise = conv_bn(16, 32, kernel=1)
        self.residual1 = conv_bn(32, 32)
        self.residual2 = conv_bn(32, 32)
        self.pool = nn.MaxPool2d(2)
        self.average = nn.AvgPool2d(2)
        self.dense = nn.Linear(32 * 2 * 2, 10)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = torch.relu(self.stem(x))
        x = torch.relu(self.depthwise(x))
        x = self.pool(torch.relu(self.pointwise(x)))
        x = torch.relu(x + self.residual2(torch.relu(self.residual1(x))))
        x = self.average(x)
        logits: torch.Tensor = self.dense(x.flatten(1))
        return logits


def data() -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Train images, train labels, test images, test labels; images float32 (N, 1, 8, 8) in 0..1, shuffled by SEED."""
    digits = load_digits()
    images = (digits.images / 16.0).astype(np.float32)[:, None]
    order = np.random.default_rng(SEED).permutation(len(images))
    images, labels = images[order], digits.target[order].astype(np.int64)
    return images[TEST_IMAGES:], labels[TEST_IMAGES:], images[:TEST_IMAGES], labels[:TEST_IMAGES]


def shift(batch: torch.Tensor) -> torch.Tensor:
    """Move each image of (N, 1, 8, 8) by -1, 0 or 1 pixels both ways: the only augmentation."""
    down, right = (int(v) for v in torch.randint(-1, 2, (2,)))
    padded = nn.functional.pad(batch, (1, 1, 1, 1))
    return padded[:, :, 1 + down : 9 + down, 1 + right : 9 + right]


def train(images: np.ndarray, labels: np.ndarray, epochs: int) -> Digits:
    """Adam with a one-cycle learning rate; the result is in eval mode."""
    torch.manual_seed(SEED)
    torch.use_deterministic_algorithms(True)
    model, batch = Digits(), 64
    x, y = torch.from_numpy(images), torch.from_numpy(labels)
    steps = epochs * (len(x) // batch)
    optimizer = torch.optim.AdamW(model.parameters(), weight_decay=1e-3)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, max_lr=1e-2, total_steps=steps)
    for epoch in range(epochs):
        order, total = torch.randperm(len(x)), 0.0
        for start in range(0, len(x) - batch + 1, batch):
            pick = order[start : start + batch]
            loss = nn.functional.cross_entropy(model(shift(x[pick])), y[pick], label_smoothing=0.05)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            schedule.step()
            total += loss.item()
        if epoch % 10 == 9:
            print(f"epoch {epoch + 1:3d}  loss {total / (len(x) // batch):.4f}")
    return model.eval()


def export(model: Digits, path: Path) -> None:
    """Write ONNX opset 17 with a free batch dimension and BatchNormalization as trained."""
    torch.onnx.export(
        model, (torch.zeros(1, 1, 8, 8),), str(path), dynamo=False, opset_version=17,
        input_names=["input"], output_names=["output"], dynamic_axes={"input": {0: "N"}, "output": {0: "N"}},
        training=torch.onnx.TrainingMode.PRESERVE, do_constant_folding=False,
    )  # fmt: skip
    exported = onnx.load(str(path))
    onnx.checker.check_model(exported, full_check=True)
    exported.doc_string = "intq demo: trained by examples/train_digits.py"
    onnx.save(exported, str(path))


def report() -> None:
    """Accuracy of the written model on the written test images, by onnxruntime."""
    import onnxruntime

    arrays = np.load(HERE / "digits.npz")
    session = onnxruntime.InferenceSession(str(HERE / "digits.onnx"), providers=["CPUExecutionProvider"])
    logits = session.run(None, {"input": arrays["images"]})[0]
    right = int((logits.argmax(1) == arrays["labels"]).sum())
    kinds = [node.op_type for node in onnx.load(str(HERE / "digits.onnx")).graph.node]
    print(f"accuracy {right}/{len(logits)} = {100 * right / len(logits):.2f} %; nodes: {' '.join(kinds)}")
    for name in ("digits.onnx", "digits.npz"):
        blob = (HERE / name).read_bytes()
        print(f"{name}: {len(blob)} bytes, sha256 {hashlib.sha256(blob).hexdigest()[:16]}")


def main() -> None:
    parser = argparse.ArgumentParser(description="train the demo network and write its model and data")
    parser.add_argument("--epochs", type=int, default=60)
    parser.add_argument("--check", action="store_true", help="measure the committed files, train nothing")
    args = parser.parse_args()
    if not args.check:
        torch.set_num_threads(1)  # the order of float additions, and with it the weights, depend on the thread count
        train_x, train_y, test_x, test_y = data()
        export(train(train_x, train_y, args.epochs), HERE / "digits.onnx")
        np.savez_compressed(
            HERE / "digits.npz", images=test_x, labels=test_y, calibration=train_x[:CALIBRATION_IMAGES]
        )
    report()


if __name__ == "__main__":
    main()
