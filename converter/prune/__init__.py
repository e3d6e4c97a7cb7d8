"""One-shot pruning: weights to zero by magnitude or second order, and removal of whole filters."""

from .filters import gammas_of, remove_filters
from .plan import by_sensitivity, fitted, passes, ratios
from .settings import Prune, check
from .weights import prune_layer

__all__ = ["Prune", "by_sensitivity", "check", "fitted", "gammas_of", "passes", "prune_layer", "ratios", "remove_filters"]
