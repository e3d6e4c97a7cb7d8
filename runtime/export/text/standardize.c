needs: clamp64
typedef struct {
    int32_t outer, reduce, inner; /* x[outer][reduce][inner], each column by itself */
    int64_t epsilon;
    int32_t multiplier, shift, zero_point, lo, hi;
} standardize_layer;

/* Multiplier of the differences from the mean, and the right shift after it, for n^2 times the variance. */
static int64_t standard_factor(int64_t spread, int32_t multiplier, int32_t shift, int32_t *right) {
    uint64_t v = (uint64_t)spread, root = 0;
    int32_t pairs = 0;
    *right = 1;
    if (v == 0) return 0;
    for (; v < (uint64_t)1 << 60; v <<= 2) pairs++;
    for (uint64_t bit = (uint64_t)1 << 30; bit; bit >>= 1)
        if ((root | bit) * (root | bit) <= v) root |= bit;
    *right = 61 - pairs - shift < 62 ? 61 - pairs - shift : 62;
    return (int64_t)((((uint64_t)1 << 61) / root * (uint64_t)multiplier + ((uint64_t)1 << 30)) >> 31);
}

static void standardize(const standardize_layer *layer, const int8_t *x, int8_t *y) {
    const standardize_layer p = *layer;
    const int32_t n = p.reduce, end = n * p.inner;
    for (int32_t o = 0; o < p.outer; o++, x += end, y += end)
        for (int32_t j = 0; j < p.inner; j++) {
            int64_t squares = 0;
            int32_t sum = 0, right;
            for (int32_t i = j; i < end; i += p.inner) {
                sum += x[i];
                squares += x[i] * x[i];
            }
            const int64_t by = standard_factor(n * squares - (int64_t)sum * sum + p.epsilon, p.multiplier, p.shift, &right);
            for (int32_t i = j; i < end; i += p.inner) {
                const int64_t q = ((n * x[i] - sum) * by + ((int64_t)1 << (right - 1))) >> right;
                y[i] = (int8_t)clamp64(q + p.zero_point, p.lo, p.hi);
            }
        }
}
