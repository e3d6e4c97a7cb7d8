needs: clamp64 shift_left scale31
typedef struct {
    int32_t a_zero_point, b_zero_point, m1, s1, m2, s2, multiplier, shift, zero_point, lo, hi;
} tfl_squared_difference_@name@_layer;

/* n squares of differences as TensorFlow Lite makes them; a step of 0 repeats an operand. */
static void tfl_squared_difference_@name@(const tfl_squared_difference_@name@_layer *p, const @type@ *a, int32_t step_a, const @type@ *b,
                                          int32_t step_b, @type@ *y, int32_t n) {
    for (int32_t i = 0; i < n; i++, a += step_a, b += step_b) {
        const int32_t v = scale31(shift_left(*a - p->a_zero_point, 7), p->m1, p->s1);
        const int64_t d = v - scale31(shift_left(*b - p->b_zero_point, 7), p->m2, p->s2);
        y[i] = (@type@)clamp64((int64_t)scale31((int32_t)(d * d), p->multiplier, p->shift) + p->zero_point, p->lo, p->hi);
    }
}
