/* Fixed-point helpers of the imported TensorFlow Lite ops; (F1) to (F13) of SPEC_tflite.md, as kernels/ref_tflite_fixed.py writes them. */
#ifndef INTQ_TFL_H
#define INTQ_TFL_H
#include "elementwise.h"

static inline int32_t tfl_clamp(int64_t v, int64_t lo, int64_t hi) { return (int32_t)(v < lo ? lo : v > hi ? hi : v); }
static inline int32_t tfl_left(int32_t v, int32_t by) { return (int32_t)((uint32_t)v << by); }

/* (F1); the one product that overflows, of -2^31 with itself, saturates. */
static inline int32_t tfl_high_mul(int32_t a, int32_t b) {
    const int64_t v = ((int64_t)a * b + (1 << 30)) >> 31;
    return (int32_t)(v > INT32_MAX ? INT32_MAX : v);
}
/* (F2) */
static inline int32_t tfl_shift_right(int32_t v, int32_t by) {
    const int32_t mask = (int32_t)((1u << by) - 1), threshold = (mask >> 1) + (v < 0);
    return (v >> by) + ((v & mask) > threshold);
}
/* (F3) */
static inline int32_t tfl_shift_left(int32_t v, int32_t by) { return tfl_clamp((int64_t)v * (INT64_C(1) << by), INT32_MIN, INT32_MAX); }
/* (F4) */
static inline int32_t tfl_scale31(int32_t v, int32_t multiplier, int32_t shift) {
    return shift > 0 ? tfl_high_mul(tfl_left(v, shift), multiplier) : tfl_shift_right(tfl_high_mul(v, multiplier), -shift);
}
/* (F5) */
static inline int32_t tfl_scale15(int64_t v, int32_t multiplier, int32_t shift) {
    const int64_t reduced = multiplier < 0x7FFF0000 ? (multiplier + (1 << 15)) >> 16 : 0x7FFF;
    const int32_t total = 15 - shift;
    return (int32_t)((v * reduced + (INT64_C(1) << (total - 1))) >> total);
}
static inline int32_t tfl_newton(int32_t a) {
    const int64_t sum = (int64_t)a + INT32_MAX;
    const int32_t half = (int32_t)((sum + (sum >= 0 ? 1 : -1)) / 2);
    int32_t x = 1515870810 + tfl_high_mul(half, -1010580540);
    for (int i = 0; i < 3; i++) x += tfl_shift_left(tfl_high_mul(x, (1 << 29) - tfl_high_mul(half, x)), 2);
    return x;
}
/* (F7) */
static inline int32_t tfl_one_over_one_plus(int32_t a) { return tfl_shift_left(tfl_newton(a), 1); }
/* (F11) */
static inline int32_t tfl_reciprocal(int32_t x, int32_t integer_bits, int32_t *over) {
    const int32_t headroom = __builtin_clz((uint32_t)x);
    *over = integer_bits - headroom;
    return tfl_one_over_one_plus((int32_t)(((uint32_t)x << headroom) - (1u << 31)));
}
/* (F12); shift is to the right. */
static inline int32_t tfl_inverse_sqrt(int32_t value, int32_t *shift) {
    *shift = 0;
    if (value <= 1) return INT32_MAX;
    *shift = 11;
    for (; value >= 1 << 29; value /= 4) ++*shift;
    const int32_t pairs = (__builtin_clz((uint32_t)value) - 1) / 2 - 1;
    *shift -= pairs;
    value = tfl_left(value, 2 * pairs);
    const int32_t half = tfl_shift_right(value >> 1, 1);
    int32_t y = 1 << 28;
    for (int i = 0; i < 5; i++) {
        const int32_t cube = tfl_shift_left(tfl_high_mul(tfl_high_mul(y, y), y), 6);
        y = tfl_shift_left(tfl_high_mul((1 << 28) + (1 << 27), y) - tfl_high_mul(half, cube), 3);
    }
    y = tfl_high_mul(y, 1518500250);
    if (*shift < 0) {
        y = tfl_left(y, -*shift);
        *shift = 0;
    }
    return y;
}
/* (F13) for Q12 in, Q5 out. */
static inline int32_t tfl_log(int32_t x) {
    const int32_t fraction = 31 - 6, quarter = tfl_shift_right(536870912, 6);
    const int32_t zeros = __builtin_clz((uint32_t)x);
    const int32_t r_a = tfl_shift_left(tfl_high_mul(tfl_shift_left(x, zeros - 1), 1518500250), 1);
    const int32_t power_a = tfl_clamp((int64_t)tfl_shift_left(12 - zeros, fraction) + quarter, INT32_MIN, INT32_MAX);
    const int32_t zeros_b = __builtin_clz((uint32_t)tfl_high_mul(x, 1518500250)) - 1;
    const int32_t r_b = tfl_shift_left(x, zeros_b);
    const int32_t power_b = tfl_clamp((int64_t)tfl_shift_left(12 - zeros_b, fraction) - quarter, INT32_MIN, INT32_MAX);
    const int32_t r = r_a < r_b ? r_a : r_b, power = power_a > power_b ? power_a : power_b, centre = 1805811301;
    const int32_t p = (int32_t)(((int64_t)r + centre + 1) >> 1), q = 2 * (r - centre), square = tfl_high_mul(q, q);
    const int32_t numerator = tfl_high_mul(q, r) + tfl_high_mul(tfl_high_mul(q, square), 117049297);
    const int32_t denominator = tfl_high_mul(p, 1057819769 + q + tfl_high_mul(127690142, square)) + tfl_high_mul(638450708, q);
    return tfl_shift_left(tfl_high_mul(power, 1488522236) + tfl_high_mul(tfl_shift_right(numerator, 6), tfl_one_over_one_plus(denominator)), 1);
}
#endif
