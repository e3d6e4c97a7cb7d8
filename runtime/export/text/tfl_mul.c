needs: clamp64 scale31
typedef struct {
    int32_t a_zero_point, b_zero_point, multiplier, shift, zero_point, lo, hi;
} tfl_mul_@name@_layer;

/* n products as TensorFlow Lite makes them; a step of 0 repeats an operand. */
static void tfl_mul_@name@(const tfl_mul_@name@_layer *p, const @type@ *a, int32_t step_a, const @type@ *b, int32_t step_b, @type@ *y, int32_t n) {
    for (int32_t i = 0; i < n; i++, a += step_a, b += step_b) {
        const int32_t acc = (int32_t)((int64_t)(*a - p->a_zero_point) * (*b - p->b_zero_point));
        y[i] = (@type@)clamp64((int64_t)scale31(acc, p->multiplier, p->shift) + p->zero_point, p->lo, p->hi);
    }
}
