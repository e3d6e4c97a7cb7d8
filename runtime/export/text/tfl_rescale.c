needs: clamp64 scale31
typedef struct {
    int32_t x_zero_point, multiplier, shift, zero_point, lo, hi;
} tfl_rescale_@name@_layer;

static void tfl_rescale_@name@(const tfl_rescale_@name@_layer *p, const @x@ *x, @y@ *y, int32_t n) {
    for (int32_t i = 0; i < n; i++) {
        const int32_t d = (int32_t)((uint32_t)x[i] - (uint32_t)p->x_zero_point);
        y[i] = (@y@)clamp64((int64_t)scale31(d, p->multiplier, p->shift) + p->zero_point, p->lo, p->hi);
    }
}
