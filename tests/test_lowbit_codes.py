"""4-bit codes: tables, groups, and a fully connected network rewritten to them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import shared
from intq import InputError, Model, Session
from intq.converter import convert
from intq.converter.codebook import KINDS, encode


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("shape", [(7, 5), (33, 200), (16, 129)])
def test_codes_come_close(kind: str, shape: tuple[int, int]) -> None:
    weight = np.random.default_rng(0).normal(size=shape)
    for group in (32, 64, 128):
        found = encode(weight, kind, group)
        assert found.table.min() >= -127
        back = found.decode(shape[1], group) * found.scale[:, None]
        noise = ((weight - back) ** 2).sum() / (weight**2).sum()
        assert noise < (0.4 if kind == "ternary" else 0.06), (kind, group, noise)


def test_bits_per_weight() -> None:
    found = encode(np.random.default_rng(0).normal(size=(64, 4096)), "linear", 64)
    assert 8 * (found.codes.nbytes + found.multipliers.nbytes) / (64 * 4096) <= 4.25


def test_bad_arguments() -> None:
    with pytest.raises(InputError, match="group"):
        encode(np.zeros((2, 8)), "linear", 6)
    with pytest.raises(InputError, match="codebook"):
        encode(np.ones((2, 8)), "cubic", 4)


def test_autoencoder_in_four_bits(tmp_path: Path) -> None:
    """Every layer of the shared autoencoder runs from codes; the file is smaller; the backends agree."""
    x = shared.toycar()
    model = convert(shared.model("ad_autoencoder.onnx"), calibration=x[:64])
    codes = {"weights": "kmeans4", "granularity": "group", "group_size": 64}
    small = convert(shared.model("ad_autoencoder.onnx"), calibration=x[:64], recipe={"layers": {"*": codes}})
    assert sum(n.op == "dense_codes" for n in small.graph.nodes) >= 8
    assert small.weight_bytes < 0.7 * model.weight_bytes
    small.save(tmp_path / "small.intq")
    again = Model.from_bytes((tmp_path / "small.intq").read_bytes())
    want, got = Session(model).run(x), Session(again).run(x)
    assert ((got - want) ** 2).mean() < 0.5 * want.var()
    np.testing.assert_array_equal(Session(again, backend="reference").run(x[:3]), got[:3])
