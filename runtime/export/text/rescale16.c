needs: clamp
static void rescale16(const int16_t *x, int8_t *y, int32_t n, int32_t multiplier, int32_t shift, int32_t zero_point, int32_t lo, int32_t hi) {
    for (int32_t i = 0; i < n; i++) y[i] = (int8_t)clamp(((x[i] * multiplier + (1 << (shift - 1))) >> shift) + zero_point, lo, hi);
}
