needs: clamp requant_@rounding@ window_sum
typedef struct {
    pool_shape shape;
    const int32_t *divisors, *bias, *multiplier; /* one entry per element count that windows have; bias: the rounding */
    const int8_t *shift;
    int32_t window_elements; /* 0: those inside the image are counted */
    int32_t x_zero_point, zero_point, lo, hi;
} avg_pool_@rounding@_layer;

static void avg_pool_@rounding@(const avg_pool_@rounding@_layer *layer, const int8_t *x, int8_t *y) {
    const avg_pool_@rounding@_layer p = *layer;
    for (int32_t oy = 0; oy < p.shape.oh; oy++)
        for (int32_t ox = 0; ox < p.shape.ow; ox++) {
            const window v = window_at(&p.shape, oy, ox);
            const int32_t inside = (v.y1 - v.y0) * (v.x1 - v.x0), count = p.window_elements ? p.window_elements : inside;
            int32_t d = 0;
            while (p.divisors[d] != count) d++;
            for (int32_t c = 0; c < p.shape.c; c++) {
                const int32_t acc = window_sum_int8(&p.shape, &v, x + c) - inside * p.x_zero_point + p.bias[d];
                *y++ = (int8_t)clamp(requant_@rounding@(acc, p.multiplier[d], p.shift[d], p.zero_point), p.lo, p.hi);
            }
        }
}
