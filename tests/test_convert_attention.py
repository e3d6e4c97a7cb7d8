"""Transformers as PyTorch exports them: the batch is moved out of axis 0 and back."""

import io
import warnings

import numpy as np
import onnx
import pytest
from intq import Session, UnsupportedError
from intq.converter import convert
from intq.converter.compare import compare

torch = pytest.importorskip("torch")
nn = torch.nn
F32 = np.ndarray


class Permuted(nn.Module):
    """The attention of vision transformers: queries, keys and values by `permute(2, 0, 3, 1, 4)`, taken apart."""

    def __init__(self, width: int = 32, heads: int = 4) -> None:
        super().__init__()
        self.heads, self.norm, self.qkv, self.out = heads, nn.LayerNorm(width), nn.Linear(width, 3 * width), nn.Linear(width, width)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        n, length, width = x.shape
        q, k, v = self.qkv(self.norm(x)).reshape(n, length, 3, self.heads, width // self.heads).permute(2, 0, 3, 1, 4).unbind(0)
        weights = (q * (width // self.heads) ** -0.5 @ k.transpose(-2, -1)).softmax(-1)
        return x + self.out((weights @ v).transpose(1, 2).reshape(n, length, width))


class Encoder(nn.Module):
    """torch.nn's own layers: [L, N, E] inside, heads folded into the batch."""

    def __init__(self, width: int = 32, **more: object) -> None:
        super().__init__()
        self.layer = nn.TransformerEncoderLayer(width, 4, 64, dropout=0.0, batch_first=True, **more)
        self.out = nn.Linear(width, 8)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.out(self.layer(x))


class LengthFirst(Encoder):
    """[L, N, E] from the outside too, turned at both ends; a flattened head."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.TransformerEncoderLayer(32, 4, 64, dropout=0.0, activation="gelu", norm_first=True)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y = self.layer(x.transpose(0, 1))
        return self.out(y[-1] + y.mean(0))


class Rows(nn.Module):
    """Positions as rows of one matrix, with the batch among them."""

    def __init__(self) -> None:
        super().__init__()
        self.a, self.b = nn.Linear(32, 48), nn.Linear(48, 16)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y = self.b(self.a(x.reshape(-1, 32)).relu())
        return torch.stack([y, -y]).permute(1, 0, 2).reshape(x.shape[0], -1, 32)


class Mixing(nn.Module):
    """Attention along axis 0: what the source calls a sequence is the batch here."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y = x.transpose(0, 1)
        return ((y @ y.transpose(1, 2)).softmax(-1) @ y).transpose(0, 1)


def exported(net: nn.Module, free: bool, length: int = 10) -> onnx.ModelProto:
    buffer, x = io.BytesIO(), torch.randn(1, length, 32)
    torch.backends.mha.set_fastpath_enabled(False)
    with warnings.catch_warnings(), torch.no_grad():
        warnings.simplefilter("ignore")
        axes = {"input": {0: "n"}, "output": {0: "n"}} if free else None
        torch.onnx.export(net.eval(), (x,), buffer, dynamo=False, opset_version=17, input_names=["input"], output_names=["output"], dynamic_axes=axes)
    return onnx.load_from_string(buffer.getvalue())


def signal_to_noise(wanted: F32, found: F32) -> float:
    return float(10 * np.log10((wanted**2).sum() / ((wanted - found) ** 2).sum()))


@pytest.mark.parametrize("free", [True, False], ids=["free batch", "batch of 1"])
@pytest.mark.parametrize("kind", [Permuted, Encoder, LengthFirst, Rows])
def test_networks_that_move_the_batch(kind: type[nn.Module], free: bool) -> None:
    torch.manual_seed(3)
    net = kind().eval()
    x = np.random.default_rng(0).normal(size=(40, 10, 32)).astype(np.float32)
    model = convert(exported(net, free), calibration=x[:32], recipe="fast")
    with torch.no_grad():
        wanted = net(torch.from_numpy(x[32:])).numpy()
    found = Session(model).run(x[32:])
    assert signal_to_noise(wanted, found) > 26
    np.testing.assert_array_equal(found[3:4], Session(model, backend="reference").run(x[35:36]))


def test_attention_over_many_positions() -> None:
    """All probabilities are far below 1: their scale is too."""
    torch.manual_seed(3)
    net, x = Permuted().eval(), np.random.default_rng(0).normal(size=(12, 300, 32)).astype(np.float32)
    proto = exported(net, True, 300)
    found = {row.op: row.isolated for row in compare(proto, convert(proto, calibration=x, recipe="fast"), x).layers}
    assert found["Softmax"] > 25


def test_modules_that_move_the_batch() -> None:
    torch.manual_seed(3)
    net = nn.Sequential(Permuted(), Encoder(activation="gelu", norm_first=True))
    x = np.random.default_rng(0).normal(size=(40, 10, 32)).astype(np.float32)
    model = convert(net, example_inputs=x[:1], calibration=x[:32], recipe="fast")
    with torch.no_grad():
        assert signal_to_noise(net.eval()(torch.from_numpy(x[32:])).numpy(), Session(model).run(x[32:])) > 24
    assert any(node.name.startswith("1.layer.linear1") for node in model.graph.nodes)


def test_samples_that_meet_are_refused() -> None:
    x = np.random.default_rng(0).normal(size=(4, 10, 32)).astype(np.float32)
    with pytest.raises(UnsupportedError, match="depends on the other samples"):
        convert(exported(Mixing(), True), calibration=x)
    convert(exported(Mixing(), False), calibration=x)  # for a batch of 1 there is nothing to meet


def test_an_output_without_a_batch_in_front_is_refused() -> None:
    class Turned(nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return (x * 2).transpose(0, 1)

    with pytest.raises(UnsupportedError, match=r"\(10, 1, 32\) for one sample; way out: keep the batch in axis 0"):
        convert(exported(Turned(), False), calibration=np.ones((4, 10, 32), np.float32))


def test_tokens_stay_as_they_lie() -> None:
    """Neither a normalization nor a linear layer asks for another order of tokens than the one before left."""
    torch.manual_seed(3)
    net = nn.Sequential(nn.LayerNorm(32), nn.Linear(32, 32), nn.LayerNorm(32), nn.Linear(32, 8))
    x = np.random.default_rng(0).normal(size=(4, 10, 32)).astype(np.float32)
    model = convert(exported(net, True), calibration=x, recipe="fast")
    assert sum(node.attrs.op == "transpose" for node in model.graph.nodes) == 1  # the input, whose tokens are stored as columns


class Causal(nn.Module):
    """Attention of which a constant mask hides what comes later, by a sum or by `masked_fill`."""

    def __init__(self, value: float, add: bool) -> None:
        super().__init__()
        self.qk, self.add, self.value = nn.Linear(32, 64), add, value
        self.register_buffer("later", torch.triu(torch.ones(10, 10), 1).bool())

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        q, k = self.qk(x).chunk(2, -1)
        scores = q @ k.transpose(1, 2) * 0.4
        mask = torch.zeros(10, 10).masked_fill(self.later, self.value)
        return (scores + mask if self.add else scores.masked_fill(self.later, self.value)).softmax(-1) @ k


@pytest.mark.parametrize("add", [True, False], ids=["added", "chosen"])
@pytest.mark.parametrize("value", [-100.0, -1e4, -3.4e38, float("-inf")])
def test_masks_cost_no_precision(value: float, add: bool) -> None:
    torch.manual_seed(3)
    net, x = Causal(value, add).eval(), np.random.default_rng(0).normal(size=(40, 10, 32)).astype(np.float32)
    model = convert(exported(net, True), calibration=x[:32], recipe="fast")
    with torch.no_grad():
        assert signal_to_noise(net(torch.from_numpy(x[32:])).numpy(), Session(model).run(x[32:])) > 27
    assert "mul" not in [node.attrs.op for node in model.graph.nodes]


def test_queries_and_keys_are_cut_out_where_they_lie() -> None:
    """Of what one layer gives for all three, each moves in runs of a head, and the product takes keys as rows."""
    torch.manual_seed(3)
    x = np.random.default_rng(0).normal(size=(4, 10, 32)).astype(np.float32)
    graph = convert(exported(Permuted(), True), calibration=x, recipe="fast").graph
    cuts = [node for node in graph.nodes if node.attrs.op == "slice"]
    assert len(cuts) == 3
    assert all(graph.of(cut.inputs[0]).shape == (1, 10, 3, 4, 8) for cut in cuts)
    assert [node.attrs.adj_b for node in graph.nodes if node.attrs.op == "tfl_batch_matmul"] == [True, False]
