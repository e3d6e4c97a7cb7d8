/* y = table[the bits of x]. */
static void tfl_lut_@name@(const @y@ *table, const @bits@ *x, @y@ *y, int32_t n) {
    for (int32_t i = 0; i < n; i++) y[i] = table[x[i]];
}
