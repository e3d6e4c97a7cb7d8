needs: clamp high_mul rounding_shift largest leading_zeros one_over_one_plus
/* Rows of n as TensorFlow Lite makes them; table[d] is exp(-d * scale) with 31 fraction bits. */
static void tfl_softmax_@name@(const int32_t *table, const int8_t *x, @y@ *y, int32_t rows, int32_t n) {
    for (; rows > 0; rows--, x += n, y += n) {
        const int32_t top = largest(x, n);
        int32_t total = 0;
        for (int32_t i = 0; i < n; i++) total += rounding_shift(table[top - x[i]], 12);
        const int32_t headroom = leading_zeros((uint32_t)total), by = 12 - headroom + 31 - @bits@;
        const int32_t scale = one_over_one_plus((int32_t)(((uint32_t)total << headroom) - (UINT32_C(1) << 31)));
        for (int32_t i = 0; i < n; i++) {
            const int32_t q = by < 32 ? rounding_shift(high_mul(scale, table[top - x[i]]), by) : 0;
            y[i] = (@y@)clamp(q + @least@, @least@, @most@);
        }
    }
}
