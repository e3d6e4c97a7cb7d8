"""Values that have no precision to spare, so that their ranges get no room beyond what calibration showed (`converter/calibrators/guarded.py`).

Those are the values whose own rounding is not little beside their variance over the samples, and those that much of the noise of a node comes
from which has more than enough after levelling. With each go the values that share its scale.
"""

from __future__ import annotations

import numpy as np

from ..data import Replay
from ..ir import Float
from ..ranges import assign
from .choose import ENOUGH, PARTS, Taps, measure, noise, slopes
from .slots import Slots

PRECISE = 10**-3.1  # noise to signal of a value that is little: 31 dB


def strained(net: Float, replay: Replay) -> frozenset[str]:
    """The names, of a network whose channels are levelled already."""
    slots = Slots(net)
    found = measure(net, replay, slots)
    weights = [Taps(net, reader) for reader in slots.readers]
    shares = noise(net, slots, found, np.ones(slots.count), slopes(net, slots, found), weights)
    total: dict[str, float] = {}
    for share in shares:
        total[share.name] = total.get(share.name, 0.0) + share.ratio
    params = assign(net, found.spans(net, {}))
    scales = set()
    for share in shares:
        rough = share.source == share.name and share.ratio > PRECISE
        if share.source in params and (rough or total[share.name] > ENOUGH < share.ratio * PARTS):
            scales.add(params[share.source].scale)
    return frozenset(name for name in found.low if params[name].scale in scales)
