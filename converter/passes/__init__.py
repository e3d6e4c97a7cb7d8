"""Float-to-float rewrites in their order; each is a small function in its own file, and the graph is checked after every one."""

from __future__ import annotations

from collections.abc import Callable

from ..binary import binarize
from ..ir import Float
from . import einsum, normalize, pools  # noqa: F401  (they register rules)
from .batchnorm import batchnorm_to_affine
from .channelwise import channelwise_to_affine
from .convtranspose import convtranspose_to_conv
from .decompose import decompose
from .find_levels import find_levels
from .find_masks import find_masks
from .find_norms import find_norms
from .fold_affine import fold_affine
from .fuse_clamp import fuse_clamp
from .fuse_pad import fuse_pad
from .fuse_unary import fuse_unary
from .hoist_clamp import hoist_clamp
from .lift_batch import lift_batch
from .linear import matmul_to_linear
from .old_softmax import old_softmax
from .stack_slices import stack_slices
from .tidy import tidy

Pass = Callable[[Float], None]

PASSES: tuple[Pass, ...] = (
    tidy,
    lift_batch,
    old_softmax,
    find_norms,
    find_masks,
    decompose,
    matmul_to_linear,
    batchnorm_to_affine,
    channelwise_to_affine,
    fold_affine,
    hoist_clamp,
    fuse_clamp,
    convtranspose_to_conv,
    stack_slices,
    fuse_pad,
    fuse_unary,
    fuse_clamp,
    binarize,
    find_levels,
)


def run(net: Float, passes: tuple[Pass, ...] = PASSES) -> Float:
    """Apply the passes in place and return the network."""
    for step in passes:
        step(net)
        net.remove_dead()
        net.check(step.__name__)
    return net
