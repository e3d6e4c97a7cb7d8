needs: clamp clamp64 high_mul rounding_shift saturating_shift_left leading_zeros one_over_one_plus largest scale31
typedef struct {
    const int32_t *table, *differences; /* exp(-d * scale) with 31 fraction bits, -d with 26 */
    int32_t radius, multiplier, shift;
} tfl_log_softmax_layer;

/* The natural logarithm of x >= 1 with 19 fraction bits, with 26. */
static int32_t logarithm(int32_t x) {
    const int32_t fraction = 31 - 6, quarter = rounding_shift(536870912, 6), zeros = leading_zeros((uint32_t)x);
    const int32_t r_a = saturating_shift_left(high_mul(saturating_shift_left(x, zeros - 1), 1518500250), 1);
    const int32_t power_a = clamp64((int64_t)saturating_shift_left(12 - zeros, fraction) + quarter, INT32_MIN, INT32_MAX);
    const int32_t zeros_b = leading_zeros((uint32_t)high_mul(x, 1518500250)) - 1;
    const int32_t r_b = saturating_shift_left(x, zeros_b);
    const int32_t power_b = clamp64((int64_t)saturating_shift_left(12 - zeros_b, fraction) - quarter, INT32_MIN, INT32_MAX);
    const int32_t r = r_a < r_b ? r_a : r_b, power = power_a > power_b ? power_a : power_b, centre = 1805811301;
    const int32_t p = (int32_t)(((int64_t)r + centre + 1) >> 1), q = 2 * (r - centre), square = high_mul(q, q);
    const int32_t numerator = high_mul(q, r) + high_mul(high_mul(q, square), 117049297);
    const int32_t denominator = high_mul(p, 1057819769 + q + high_mul(127690142, square)) + high_mul(638450708, q);
    return saturating_shift_left(high_mul(power, 1488522236) + high_mul(rounding_shift(numerator, 6), one_over_one_plus(denominator)), 1);
}

static void tfl_log_softmax(const tfl_log_softmax_layer *p, const int8_t *x, int8_t *y, int32_t rows, int32_t n) {
    for (; rows > 0; rows--, x += n, y += n) {
        const int32_t top = largest(x, n);
        int32_t total = 0;
        for (int32_t i = 0; i < n; i++) total += rounding_shift(p->table[top - x[i]], 12);
        const int32_t log = logarithm(total), far = scale31((int32_t)((uint32_t)log + (UINT32_C(1) << 31)), p->multiplier, p->shift);
        const int32_t lowest = far > -p->radius - 1 ? far : -p->radius - 1;
        for (int32_t i = 0; i < n; i++) {
            const int32_t d = top - x[i];
            const int32_t v = rounding_shift((int32_t)((uint32_t)p->differences[d] - (uint32_t)log), 22) + 127;
            y[i] = (int8_t)(-d > lowest ? clamp(v, INT8_MIN, INT8_MAX) : INT8_MIN);
        }
    }
}
