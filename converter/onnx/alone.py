"""Whether a network with a free batch treats samples alike: what it makes of two at once is what it makes of each."""

from __future__ import annotations

import numpy as np
import onnx

from ...errors import UnsupportedError
from ..ir import Array, Float
from .emit import session

SPREADS = (1.0, 0.05)  # of the inputs; attention to large ones may be all to themselves
CLOSE = 1e-3  # of the largest output: float sums in another order


def check_alone(proto: onnx.ModelProto, net: Float) -> None:
    """For a network whose nodes move the batch (`net.lifted`): raise `UnsupportedError` where samples meet. `proto` is the source; where
    it does not take two samples, `net.free_batch` ends."""
    rng = np.random.default_rng(0)
    for spread in SPREADS:
        feeds = {name: rng.normal(scale=spread, size=(2, *net.shape(name)[1:])).astype(net.values[name].dtype) for name in net.inputs}
        try:
            runner = session(proto)
            together = runner.run(None, feeds)
        except Exception:  # onnxruntime has a dozen exception classes without a common base; exports may have batch 1 burnt into a constant
            net.free_batch = False
            return
        alone = [runner.run(None, {name: array[i : i + 1] for name, array in feeds.items()}) for i in (0, 1)]
        for i, entry in enumerate(proto.graph.output):
            if not _same(together[i], [outputs[i] for outputs in alone]):
                raise UnsupportedError(
                    f"the output {entry.name!r} of one sample depends on the other samples of its batch; way out: keep the batch in axis 0, "
                    "or export the model for a batch of 1"
                )


def _same(together: Array, alone: list[Array]) -> bool:
    if together.shape[:1] != (len(alone),) or any(a.shape != (1, *together.shape[1:]) for a in alone):
        return False
    apart = np.concatenate(alone).astype(np.float64)
    return bool(np.allclose(together, apart, rtol=0, atol=CLOSE * max(float(np.abs(apart).max(initial=0)), 1e-30)))
