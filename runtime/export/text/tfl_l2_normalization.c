needs: clamp inverse_sqrt scale31
/* Rows of n divided by the root of the sum of their squares, times 128; `early`: before the rounding. */
static void tfl_l2_normalization(int32_t zero_point, int early, const int8_t *x, int8_t *y, int32_t rows, int32_t n) {
    for (; rows > 0; rows--, x += n, y += n) {
        int32_t acc = 0, shift;
        for (int32_t i = 0; i < n; i++) acc += (x[i] - zero_point) * (x[i] - zero_point);
        const int32_t multiplier = inverse_sqrt(acc, &shift);
        for (int32_t i = 0; i < n; i++) {
            const int32_t d = x[i] - zero_point;
            y[i] = (int8_t)clamp(early ? scale31(128 * d, multiplier, -shift) : scale31(d, multiplier, 7 - shift), INT8_MIN, INT8_MAX);
        }
    }
}
