needs: largest
/* Rows of n; table[d] = round(2^23 * exp(-d * scale)). Output scale 2^-bits, zero point -128. */
static void softmax(const int32_t *table, int32_t bits, const int8_t *x, int8_t *y, int32_t rows, int32_t n) {
    for (; rows > 0; rows--, x += n, y += n) {
        const int32_t top = largest(x, n);
        int64_t total = 0;
        for (int32_t i = 0; i < n; i++) total += table[top - x[i]];
        for (int32_t i = 0; i < n; i++) {
            const int64_t q = (((int64_t)table[top - x[i]] << bits) + (total >> 1)) / total - 128;
            y[i] = (int8_t)(q < 127 ? q : 127);
        }
    }
}
