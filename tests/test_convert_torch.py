"""PyTorch modules: exported, converted, with module names as layer names; several inputs and outputs; typical blocks of the literature."""

from __future__ import annotations

import intq
import numpy as np
import pytest
from intq.converter import convert
from intq.converter.compare import compare
from intq.converter.torch_export import export
from intq.errors import InputError, UnsupportedError

torch = pytest.importorskip("torch")
nn = torch.nn


def images(count: int = 48, size: int = 16) -> np.ndarray:
    return np.random.default_rng(3).normal(size=(count, 3, size, size)).astype(np.float32)


def decibels(module, x: np.ndarray, model: intq.Model) -> float:
    with torch.no_grad():
        want = module(torch.from_numpy(x)).numpy()
    got = intq.Session(model, batch=7).run(x)
    signal, noise = want - want.mean(axis=0), (want - want.mean(axis=0)) - (got - got.mean(axis=0))
    return 10 * float(np.log10((signal**2).sum() / (noise**2).sum()))


class SqueezeExcite(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Sequential(nn.Conv2d(3, 16, 3, 2, 1), nn.BatchNorm2d(16), nn.Hardswish())
        self.gate = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Conv2d(16, 4, 1), nn.ReLU(), nn.Conv2d(4, 16, 1), nn.Hardsigmoid())
        self.head = nn.Linear(16, 5)

    def forward(self, x):
        x = self.stem(x)
        return self.head((x * self.gate(x)).mean((2, 3)))


class Shuffle(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Conv2d(3, 16, 1)
        self.left = nn.Sequential(nn.Conv2d(8, 8, 3, 1, 1, groups=8), nn.BatchNorm2d(8), nn.ReLU6())

    def forward(self, x):
        a, b = self.first(x).chunk(2, dim=1)
        x = torch.cat([self.left(a), b], 1)
        n, c, h, w = x.shape
        return x.view(n, 2, c // 2, h, w).transpose(1, 2).reshape(n, c, h, w).mean((2, 3))


class Up(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.down = nn.Sequential(nn.Conv2d(3, 8, 3, 2, 1), nn.LeakyReLU(0.1))
        self.up = nn.ConvTranspose2d(8, 4, 2, 2)
        self.smooth = nn.Upsample(scale_factor=2, mode="bilinear", align_corners=False)
        self.last = nn.Conv2d(12, 2, 1)

    def forward(self, x):
        y = self.down(x)
        return self.last(torch.cat([self.up(y), self.smooth(y)], 1))


class Sequence(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.body = nn.Sequential(nn.Conv1d(3, 8, 5, 2, 2), nn.BatchNorm1d(8), nn.GELU(), nn.MaxPool1d(2))
        self.head = nn.Linear(8 * 4, 6)

    def forward(self, x):
        return self.head(self.body(x[:, :, 0]).flatten(1))


class Attention(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.patch, self.qkv, self.out = nn.Conv2d(3, 16, 4, 4), nn.Linear(16, 48), nn.Linear(16, 4)

    def forward(self, x):
        x = self.patch(x).flatten(2).transpose(1, 2)
        n, t, c = x.shape
        q, k, v = self.qkv(x).view(n, t, 3, 2, c // 2).permute(2, 0, 3, 1, 4).unbind(0)
        a = (q @ k.transpose(-1, -2) * (c // 2) ** -0.5).softmax(-1)
        return self.out((a @ v).transpose(1, 2).reshape(n, t, c).mean(1))


@pytest.mark.parametrize("kind", [SqueezeExcite, Shuffle, Up, Sequence, Attention])
def test_blocks(kind: type) -> None:
    torch.manual_seed(0)
    module, x = kind().eval(), images()
    model = convert(module, example_inputs=torch.from_numpy(x[:2]), calibration=x)
    assert decibels(module, x, model) > 25


def test_module_names_are_layer_names() -> None:
    module, x = SqueezeExcite().eval(), images()
    proto = export(module, torch.from_numpy(x[:1]))
    result = compare(proto, convert(proto, calibration=x), x)
    names = [row.layer for row in result.layers]
    assert {"stem.0", "gate.1", "gate.3", "head"} <= set(names)


def test_several_inputs_and_outputs_and_the_training_flag() -> None:
    class Two(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.a, self.b = nn.Conv2d(3, 4, 1), nn.Linear(6, 4)

        def forward(self, x, z):
            y = self.a(x) + self.b(z)[:, :, None, None]
            return y, y.mean((2, 3))

    torch.manual_seed(0)
    module, x, z = Two().train(), images(), np.random.default_rng(1).normal(size=(48, 6)).astype(np.float32)
    inputs = torch.from_numpy(x[:1]), torch.from_numpy(z[:1])  # "fast" clips nothing; the default gives up the farthest values for finer steps
    model = convert(module, example_inputs=inputs, calibration={"input_0": x, "input_1": z}, recipe="fast")
    assert module.training
    found = intq.Session(model).run({"input_0": x, "input_1": z})
    with torch.no_grad():
        want = module(torch.from_numpy(x), torch.from_numpy(z))
    for port, tensor in zip(model.outputs, want, strict=True):
        assert np.abs(found[port.name] - tensor.numpy()).max() < 0.12


def test_example_inputs_alone_calibrate() -> None:
    x = images()
    module = SqueezeExcite().eval()
    assert decibels(module, x, convert(module, example_inputs=torch.from_numpy(x))) > 20


def test_refusals() -> None:
    with pytest.raises(InputError, match="example_inputs"):
        convert(SqueezeExcite(), calibration=images())
    with pytest.raises(UnsupportedError, match="export failed"):
        convert(SqueezeExcite(), example_inputs=torch.zeros(1, 5, 16, 16), calibration=images())
    with pytest.raises(InputError, match="cannot convert a list"):
        convert([], calibration=images())


class NewerOperators(nn.Module):
    """Tracing knows neither `mT` nor RMSNorm; `torch.export` does."""

    def __init__(self) -> None:
        super().__init__()
        self.head, self.norm = nn.Linear(9, 5), nn.RMSNorm(5)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.norm(self.head(x.flatten(2)[..., :9])).mT


def test_the_second_exporter_takes_what_the_first_refuses(capfd: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("onnxscript")
    torch.manual_seed(1)
    module, x = NewerOperators().eval(), images()
    model = convert(module, example_inputs=x[:1], calibration=x, recipe="fast")
    assert decibels(module, x, model) > 25
    assert "head" in {node.name for node in model.graph.nodes}
    assert capfd.readouterr().out == ""  # PyTorch prints the graph that it could not export
