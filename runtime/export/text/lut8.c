/* y = table[x], for any function of one byte. */
static void lut8(const uint8_t *table, const uint8_t *x, uint8_t *y, int32_t n) {
    for (int32_t i = 0; i < n; i++) y[i] = table[x[i]];
}
