/* y = table[x as 16 bits], for any function of 16 bits to as many. */
static void lut16(const int16_t *table, const int16_t *x, int16_t *y, int32_t n) {
    for (int32_t i = 0; i < n; i++) y[i] = table[(uint16_t)x[i]];
}
