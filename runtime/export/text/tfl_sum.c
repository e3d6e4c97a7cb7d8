needs: clamp64 scale31 reduce_shape
typedef struct {
    reduce_shape shape;
    int32_t x_zero_point, multiplier, shift, zero_point, lo, hi;
} tfl_sum_@name@_layer;

static void tfl_sum_@name@(const tfl_sum_@name@_layer *p, const @type@ *x, @type@ *y) {
    EACH_OUTPUT(&p->shape) {
        const @type@ *from = x + START(&p->shape);
        int32_t acc = 0;
        EACH_INPUT(&p->shape) acc += from[WITHIN(&p->shape)] - p->x_zero_point;
        *y++ = (@type@)clamp64((int64_t)scale31(acc, p->multiplier, p->shift) + p->zero_point, p->lo, p->hi);
    }
}
