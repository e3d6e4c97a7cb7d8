"""The claims of SPEC 3, against Python integers and exact fractions."""

from fractions import Fraction

import numpy as np
import pytest
from intq.errors import InputError
from intq.kernels import ref
from intq.kernels.fixed_point import add_params, q15_params, q31_params, requantize_params, shift_params

RNG = np.random.default_rng(20)
ZERO_POINTS = (-128, -127, -1, 0, 1, 126, 127)


def accumulators(scale: float, limit: int, count: int = 400) -> np.ndarray:
    """Values across the output range and beyond, and the extremes that the bound allows."""
    reach = int(min(600 / scale + 2, limit - 1))
    ends = [0, 1, -1, limit - 1, 1 - limit, reach, -reach]
    return np.concatenate([RNG.integers(-reach, reach + 1, count), np.array(ends)]).astype(np.int64)


def python_q15(acc: int, m: int, e: int, zp: int) -> int:
    left, right = max(e, 0), max(-e, 0)
    r = 2 ** (right - 1) if right else 0
    before = ((acc + r) * 2**left) // 2**right
    t = min(max(before, -(2**15)), 2**15 - 1)
    value = min(max((t * m + 2**14) // 2**15 + 64 * zp + 32, -(2**15)), 2**15 - 1)
    return value // 64


@pytest.mark.parametrize("zp", ZERO_POINTS)
def test_q15_error_and_saturation(zp: int) -> None:
    worst = Fraction(0)
    for scale in 2.0 ** RNG.uniform(-38, 5, 60):
        m, e = q15_params(scale)
        assert 2**14 <= m < 2**15
        right = max(-e, 0)
        limit = 2 ** (31 - max(e, 0)) - ((1 << right) >> 1)
        acc = accumulators(scale, limit)
        got = ref.requantize(acc, np.array(m), np.array(e), zp, "q15", -128, 127)
        for a, q in zip(acc.tolist(), got.tolist(), strict=True):
            assert q == min(max(python_q15(a, m, e, zp), -128), 127)
            exact = min(max(a * Fraction(scale) + zp, Fraction(-128)), Fraction(127))
            worst = max(worst, abs(q - exact))
    assert worst <= Fraction(525, 1000), f"largest error {float(worst)}"


def test_q15_saturates_only_outside_every_clamp() -> None:
    for m in (2**14, 2**14 + 1, 2**15 - 1):
        for zp in range(-128, 128):
            for t, beyond in ((2**15 - 1, lambda q: q >= 128), (-(2**15), lambda q: q <= -129)):
                assert beyond(min(max((t * m + 2**14 >> 15) + 64 * zp + 32, -(2**15)), 2**15 - 1) >> 6)


def test_q31_single_is_one_rounding_in_exact_integers() -> None:
    for scale in 2.0 ** RNG.uniform(-30, 6, 200):
        m, e = q31_params(scale)
        acc = accumulators(scale, 2 ** (31 - max(e, 0)))
        got = ref.q31_single(acc, np.array(m), np.array(e), 3)
        s = 31 - e
        assert got.tolist() == [((a * m + 2 ** (s - 1)) // 2**s) + 3 for a in acc.tolist()]


def test_q31_double_rounds_twice() -> None:
    def nearest_away(numerator: int, denominator: int) -> int:
        sign = -1 if numerator < 0 else 1
        return sign * ((2 * abs(numerator) + denominator) // (2 * denominator))

    for scale in 2.0 ** RNG.uniform(-30, 6, 200):
        m, e = q31_params(scale)
        acc = accumulators(scale, 2 ** (31 - max(e, 0)))
        got = ref.q31_double(acc, np.array(m), np.array(e), -7)
        high = [(2 * a * 2 ** max(e, 0) * m + 2**31) // 2**32 for a in acc.tolist()]
        assert got.tolist() == [nearest_away(h, 2 ** max(-e, 0)) - 7 for h in high]


def test_power_of_two_is_exact_to_half() -> None:
    for e in range(-20, 1):
        acc = accumulators(2.0**e, 2**31 - 2**20)
        got = ref.power_of_two(acc, np.array(1), np.array(e), 0)
        assert all(abs(q - a * Fraction(2) ** e) <= Fraction(1, 2) for a, q in zip(acc.tolist(), got.tolist(), strict=True))


def test_i64_15_in_python_integers() -> None:
    for scale in 2.0 ** RNG.uniform(-25, 3, 100):
        m, e = q31_params(scale)
        acc = RNG.integers(-(2**46), 2**46, 200)
        reduced = (m + 2**15) >> 16 if m < 0x7FFF0000 else 0x7FFF
        s = 15 - e
        assert ref.i64_15(acc, np.array(m), np.array(e), 0).tolist() == [(a * reduced + 2 ** (s - 1)) // 2**s for a in acc.tolist()]


def test_parameters_refuse_what_is_no_scale() -> None:
    for bad in (0.0, -1.0, float("nan"), float("inf")):
        with pytest.raises(InputError):
            q15_params(bad)
    with pytest.raises(InputError):
        shift_params(0.3)
    with pytest.raises(InputError):
        add_params(1e6, 1.0, 1.0)
    assert requantize_params([0.5, 0.25], "shift")[1].tolist() == [-1, -2]


def test_add_parameters_keep_the_sum_within_the_stated_error() -> None:
    for _ in range(500):
        sa, sb, sy = 2.0 ** RNG.uniform(-4, 4, 3)
        m1, m2, s = add_params(sa, sb, sy)
        assert 1 <= s <= 30
        assert max(abs(m1), abs(m2)) < 2**15
        for m, f in ((m1, sa / sy), (m2, sb / sy)):
            assert abs(m / 2**s - f) <= max(sa, sb) / sy * 2**-15
