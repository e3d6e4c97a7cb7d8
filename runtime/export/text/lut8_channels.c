/* lut8_channels: y = the entry of the raw byte in the channel's table (SPEC 7.3). */
static void lut8_channels(const uint8_t *tables, const uint8_t *which, const uint8_t *x, uint8_t *y, int32_t rows, int32_t channels) {
    for (int32_t r = 0; r < rows; r++)
        for (int32_t c = 0; c < channels; c++, x++, y++) *y = tables[256 * which[c] + *x];
}
