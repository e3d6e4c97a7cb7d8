needs: clamp
static void add16(const int16_t *a, const int16_t *b, int16_t *y, int32_t n, int32_t lo, int32_t hi) {
    for (int32_t i = 0; i < n; i++) y[i] = (int16_t)clamp(a[i] + b[i], lo, hi);
}
