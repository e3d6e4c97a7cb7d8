needs: clamp high_mul rounding_shift largest
static inline int32_t saturating_shift_left(int32_t v, int32_t by) {
    const int64_t wide = (int64_t)v * (1 << by);
    return wide > INT32_MAX ? INT32_MAX : wide < INT32_MIN ? INT32_MIN : (int32_t)wide;
}
static inline int32_t leading_zeros(uint32_t v) {
    int32_t n = 0;
    for (; !(v >> 31); v <<= 1) n++;
    return n;
}
/* 1 / (1 + a) with 31 fraction bits, by three Newton-Raphson steps. */
static int32_t one_over_one_plus(int32_t a) {
    const int64_t sum = (int64_t)a + INT32_MAX;
    const int32_t half = (int32_t)((sum + (sum >= 0 ? 1 : -1)) / 2);
    int32_t x = 1515870810 + high_mul(half, -1010580540);
    for (int i = 0; i < 3; i++) x += saturating_shift_left(high_mul(x, (1 << 29) - high_mul(half, x)), 2);
    return saturating_shift_left(x, 1);
}
/* Rows of n as TensorFlow Lite makes them; table[d] is exp(-d * scale) with 31 fraction bits. */
static void tfl_softmax(const int32_t *table, const int8_t *x, int8_t *y, int32_t rows, int32_t n) {
    for (; rows > 0; rows--, x += n, y += n) {
        const int32_t top = largest(x, n);
        int32_t total = 0;
        for (int32_t i = 0; i < n; i++) total += rounding_shift(table[top - x[i]], 12);
        const int32_t headroom = leading_zeros((uint32_t)total);
        const int32_t scale = one_over_one_plus((int32_t)(((uint32_t)total << headroom) - (UINT32_C(1) << 31)));
        for (int32_t i = 0; i < n; i++) {
            const int32_t by = 12 - headroom + 31 - 8;
            const int32_t q = (by < 32 ? rounding_shift(high_mul(scale, table[top - x[i]]), by) : 0) - 128;
            y[i] = (int8_t)clamp(q, INT8_MIN, INT8_MAX);
        }
    }
}
