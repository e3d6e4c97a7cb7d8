/* n values in another width, less an offset. */
static void tfl_cast_@name@(const int32_t *x, @y@ *y, int32_t n, int32_t offset) {
    for (int32_t i = 0; i < n; i++) y[i] = (@y@)((@bits@)x[i] - offset);
}
