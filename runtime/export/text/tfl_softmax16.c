needs: clamp64 leading_zeros
/* Rows of n of 16 bits; exponentials[d] is exp of a difference of d with 15 fraction bits, inverses are 513 samples of 1 / (1 + v). */
static void tfl_softmax16(const int16_t *exponentials, const int16_t *inverses, const int16_t *x, int16_t *y, int32_t rows, int32_t n) {
    for (; rows > 0; rows--, x += n, y += n) {
        int32_t top = x[0], total = 0;
        for (int32_t i = 1; i < n; i++) top = x[i] > top ? x[i] : top;
        for (int32_t i = 0; i < n; i++) total += exponentials[top - x[i]];
        const int32_t zeros = leading_zeros((uint32_t)total), right = 31 - zeros;
        const int32_t shifted = (int32_t)((((int64_t)total << (zeros - 1)) + (1 << 13)) >> 14);
        const int32_t position = clamp64(shifted - (1 << 15) - (1 << 16), INT16_MIN, INT16_MAX);
        const int16_t *sample = inverses + 256 + (position >> 7);
        const int16_t scale = (int16_t)(sample[0] + (((int16_t)(sample[1] - sample[0]) * (position & 127) + 64) >> 7));
        for (int32_t i = 0; i < n; i++) {
            const int64_t v = (int64_t)exponentials[top - x[i]] * scale;
            y[i] = (int16_t)clamp64((v + (right > 0 ? INT64_C(1) << (right - 1) : 0)) >> right, 0, INT16_MAX);
        }
    }
}
