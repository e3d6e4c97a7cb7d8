/* Rows of c values to rows of y_bytes: bit i says (x >= threshold[i]) != flip[i]. */
static void bsign_s16(const int32_t *threshold, const uint8_t *flip, const int16_t *x, uint8_t *y, int32_t rows, int32_t c, int32_t y_bytes) {
    for (; rows > 0; rows--, x += c, y += y_bytes) {
        memset(y, 0, (size_t)y_bytes);
        for (int32_t i = 0; i < c; i++)
            if ((x[i] >= threshold[i]) != flip[i]) y[i / 8] = (uint8_t)(y[i / 8] | 1 << (i % 8));
    }
}
