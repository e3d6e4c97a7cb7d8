needs: clamp window_sum
typedef struct {
    pool_shape shape;
    int32_t offset, lo, hi; /* offset: added to every element before the mean is rounded */
} tfl_avg_pool_@name@_layer;

/* The mean of each window, ties away from zero. */
static void tfl_avg_pool_@name@(const tfl_avg_pool_@name@_layer *layer, const @type@ *x, @type@ *y) {
    const tfl_avg_pool_@name@_layer p = *layer;
    for (int32_t oy = 0; oy < p.shape.oh; oy++)
        for (int32_t ox = 0; ox < p.shape.ow; ox++) {
            const window v = window_at(&p.shape, oy, ox);
            const int32_t count = (v.y1 - v.y0) * (v.x1 - v.x0), half = count >> 1;
            for (int32_t c = 0; c < p.shape.c; c++) {
                const int32_t sum = window_sum_@name@(&p.shape, &v, x + c) + count * p.offset;
                *y++ = (@type@)clamp((sum > 0 ? sum + half : sum - half) / count - p.offset, p.lo, p.hi);
            }
        }
}
