"""Inputs in every source layout become the integers of SPEC 2, in the memory order of the network."""

import numpy as np
import pytest
from intq import InputError
from intq.edge import Dequantizer, Quantizer
from intq.graph import Port, Tensor
from intq.kernel_api import isas
from intq.kernels import ref

USABLE = [name for name, (usable, _) in isas().items() if usable]
SCALE, ZERO_POINT = 0.037, -11


def edges(dtype: str, channels: int, pixels: int, isa: str) -> tuple[Port, Quantizer, Dequantizer, np.ndarray]:
    """The two ends of one tensor: [1, channels, 1, pixels] in the source, channels last inside."""
    tensor = Tensor(name="x", dtype=dtype, shape=(1, 1, pixels, channels), scale=SCALE, zero_point=ZERO_POINT + 128 * (dtype == "uint8"))
    buffer = np.full(tensor.shape, 77, dtype)
    port = Port(name="x", tensor="x", shape=(1, channels, 1, pixels), perm=(0, 2, 3, 1))
    return port, Quantizer(port, tensor, buffer, isa), Dequantizer(port, tensor, buffer, isa), buffer


@pytest.mark.parametrize("isa", USABLE)
@pytest.mark.parametrize("dtype", ["int8", "uint8", "int16"])
@pytest.mark.parametrize("channels", [1, 2, 3, 4, 5, 17])
def test_planes_become_pixels(isa: str, dtype: str, channels: int) -> None:
    for pixels in (1, 7, 16, 63, 511, 512, 513, 1100):
        port, quantize, dequantize, buffer = edges(dtype, channels, pixels, isa)
        x = np.random.default_rng(pixels).uniform(-6, 6, port.shape).astype(np.float32)  # beyond both ends of 8 bits
        x.reshape(-1)[::5] = (np.float32(SCALE) * 3.5, -np.inf, np.inf, 1e30, -0.0)[pixels % 5]
        quantize(x)
        expected = ref.quantize(x, scale=SCALE, zero_point=quantize.t.zero_point, dtype=dtype)
        assert np.array_equal(buffer, expected.transpose(port.perm))
        y = np.empty_like(x)
        dequantize(y)
        assert np.array_equal(y, ref.dequantize(expected, scale=SCALE, zero_point=quantize.t.zero_point))


@pytest.mark.parametrize("isa", USABLE)
def test_nan_is_found_in_every_place(isa: str) -> None:
    for channels, pixels in ((1, 40), (3, 530), (4, 15), (6, 20)):
        port, quantize, _, _ = edges("int8", channels, pixels, isa)
        for at in range(0, channels * pixels, 7):
            x = np.zeros(port.shape, np.float32)
            x.reshape(-1)[at] = np.nan
            with pytest.raises(InputError, match="NaN"):
                quantize(x)
        quantize(np.zeros(port.shape, np.float32))
