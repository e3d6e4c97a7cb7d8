"""Range methods: the streamed histogram is exact, and each calibrator does what its source says it does."""

from __future__ import annotations

import numpy as np
import pytest
from intq.converter.calibrators import CALIBRATORS, Histogram
from intq.converter.calibrators.entropy import divergence
from intq.converter.calibrators.guarded import room
from intq.converter.calibrators.histogram import SIDE
from intq.converter.calibrators.mse import error
from intq.converter.quantize import qparam

RNG = np.random.default_rng(5)
HEAVY = RNG.standard_t(3, 200_000).astype(np.float32)


def ranges_of(name: str, *batches: np.ndarray, bits: int = 8) -> tuple[float, float]:
    calibrator = CALIBRATORS[name]()
    for batch in batches:
        calibrator.observe("t", batch)
    return calibrator.range("t", bits)


def noise(values: np.ndarray, span: tuple[float, float], bits: int) -> float:
    param = qparam(*span, bits=bits)
    return float(((values - param.dequantize(param.quantize(values))) ** 2).mean())


def test_a_histogram_that_grew_equals_one_that_knew_the_range() -> None:
    parts = [RNG.normal(size=999).astype(np.float32) * scale for scale in (1e-3, 1.0, 0.1, 70.0)]
    grown, known = Histogram(), Histogram()
    for part in parts:
        grown.add(part)
    values = np.concatenate(parts)
    known.add(values)
    np.testing.assert_array_equal(grown.counts, known.counts)
    assert (grown.width, grown.low, grown.high) == (known.width, float(values.min()), float(values.max()))
    assert grown.counts.sum() == values.size
    for share in (0.01, 0.3, 0.999):
        assert abs((values <= grown.quantile(share)).mean() - share) < 0.01
    assert np.flatnonzero(grown.counts).max() >= SIDE + SIDE // 2  # at least half of the bins are in use


def test_exact_zeros_are_counted_apart() -> None:
    histogram = Histogram()
    histogram.add(np.array([0, 0, 0, 1.0, -2.0], np.float32))
    assert (histogram.zeros, histogram.counts.sum()) == (3, 2)


@pytest.mark.parametrize("name", CALIBRATORS)
def test_degenerate_tensors_give_a_usable_range(name: str) -> None:
    for values in (np.zeros(10), np.full(10, 3.0), np.full(10, -1e-30), np.array([1e30, -1e30]), np.array([0.0, 1e-38])):
        low, high = ranges_of(name, values.astype(np.float32))
        assert np.isfinite([low, high]).all()
        assert low <= high
        assert qparam(low, high).scale > 0


def test_min_max_and_moving_average() -> None:
    batches = [np.float32([-1, 2]), np.float32([-3, 1])]
    assert ranges_of("minmax", *batches) == (-3, 2)
    assert ranges_of("moving_average", *batches) == pytest.approx((0.9 * -1 + 0.1 * -3, 0.9 * 2 + 0.1 * 1))


def test_one_global_threshold() -> None:
    calibrator = CALIBRATORS["global"]()
    calibrator.observe("a", np.float32([-5, 1]))
    calibrator.observe("b", np.float32([0, 2]))
    assert calibrator.range("a") == (-5, 5)
    assert calibrator.range("b") == (0, 5)


def test_percentile_leaves_outliers_out() -> None:
    low, high = ranges_of("percentile", np.concatenate([HEAVY, [1e4]]).astype(np.float32))
    assert abs(low - np.quantile(HEAVY, 0.00005)) < 1.5
    assert high < 100
    assert ranges_of("percentile", np.abs(HEAVY))[0] == np.abs(HEAVY).min()


@pytest.mark.parametrize("bits", [4, 8])
@pytest.mark.parametrize("values", [HEAVY, np.maximum(HEAVY, 0), np.minimum(HEAVY + 1, 6)], ids=["both", "relu", "skewed"])
def test_the_mse_range_is_better_than_every_other(values: np.ndarray, bits: int) -> None:
    found = {name: noise(values, ranges_of(name, values, bits=bits), bits) for name in CALIBRATORS}
    assert found["mse"] <= 1.02 * min(found.values())
    assert found["mse"] < (0.5 if bits == 4 else 0.95) * found["minmax"]


def test_the_mse_search_scores_by_the_real_error() -> None:
    values = np.float32([-1, 0.3, 0.5, 2.0])
    assert error(values.astype(float), np.ones(4), -1, 1.5, 4) == pytest.approx(4 * noise(values, (-1, 1.5), 4), rel=1e-6)


def test_guarded_clips_less_than_mse_and_leaves_vectors_a_margin() -> None:
    guarded = ranges_of("guarded", HEAVY.reshape(-1, 2, 1000))[1] / room(len(HEAVY) // 2000)
    assert ranges_of("minmax", HEAVY)[1] > guarded > ranges_of("mse", HEAVY)[1]
    assert ranges_of("guarded", HEAVY.reshape(-1, 2, 1000), bits=4) == ranges_of("mse", HEAVY, bits=4)
    pooled = RNG.normal(size=(32, 10, 1, 1)).astype(np.float32)
    assert ranges_of("guarded", *np.split(pooled, 4)) == pytest.approx((1.25 * pooled.min(), 1.25 * pooled.max()))
    assert ranges_of("guarded", np.abs(pooled)) == pytest.approx((0, 1.25 * np.abs(pooled).max()))


def test_guarded_keeps_bounds() -> None:
    clamped = np.clip(np.random.default_rng(4).normal(size=(32, 4, 500)), -9, 1).astype(np.float32)
    low, high = ranges_of("guarded", clamped)
    assert high == pytest.approx(1.0, rel=1e-3)
    assert low == pytest.approx(1.125 * clamped.min(), rel=1e-3)
    grid = np.rint(np.clip(clamped, 0, 1) * 3) / np.float32(3)
    assert ranges_of("guarded", grid) == pytest.approx((0, 1), rel=1e-6)


def test_guarded_leaves_room_beside_images_that_are_not_strained() -> None:
    even = np.random.default_rng(3).uniform(-1, 1, (32, 2, 1000)).astype(np.float32)
    assert ranges_of("guarded", even) == pytest.approx((1.125 * even.min(), 1.125 * even.max()), rel=1e-3)  # 1 + 4 / 32
    assert ranges_of("guarded", even[:4])[1] == pytest.approx(1.125 * even[:4].max(), rel=1e-3)
    assert ranges_of("guarded", np.tile(even, (8, 1, 1)))[1] == pytest.approx((1 + 4 / 256) * even.max(), rel=1e-3)
    for attribute in ("ends", "strained"):
        calibrator = CALIBRATORS["guarded"]()
        setattr(calibrator, attribute, frozenset({"x"}))
        calibrator.observe("x", even)
        assert calibrator.range("x") == pytest.approx((even.min(), even.max()), rel=1e-3)


def test_entropy_clips_tails_and_spares_uniform_values() -> None:
    low, high = ranges_of("entropy", HEAVY)
    assert high < 0.5 * HEAVY.max()
    assert low == pytest.approx(-high)
    uniform = RNG.uniform(0, 1, 100_000).astype(np.float32)
    assert ranges_of("entropy", uniform)[1] > 0.95


def test_divergence_of_what_fits_exactly_is_zero() -> None:
    assert divergence(np.array([1, 2, 3, 4]), 4, 4) == pytest.approx(0)
    assert divergence(np.array([1, 9, 3, 4]), 4, 2) > 0.05
