/* y = table[x as a byte], for any function of one byte to 16 bits. */
static void lut8_s16(const int16_t *table, const uint8_t *x, int16_t *y, int32_t n) {
    for (int32_t i = 0; i < n; i++) y[i] = table[x[i]];
}
