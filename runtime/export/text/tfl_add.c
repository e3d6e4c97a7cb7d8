needs: clamp shift_left scale31
typedef struct {
    int32_t a_zero_point, b_zero_point, left; /* (value - zero point) << left, then scaled by m1, s1 or m2, s2 */
    int32_t m1, s1, m2, s2, sign;             /* sign: -1 subtracts */
    int32_t multiplier, shift, zero_point, lo, hi;
} tfl_add_@name@_layer;

/* n sums as TensorFlow Lite makes them; a step of 0 repeats an operand. */
static void tfl_add_@name@(const tfl_add_@name@_layer *layer, const @type@ *a, int32_t step_a, const @type@ *b, int32_t step_b, @type@ *y, int32_t n) {
    const tfl_add_@name@_layer p = *layer;
    for (int32_t i = 0; i < n; i++, a += step_a, b += step_b) {
        const int32_t v = scale31(shift_left(*a - p.a_zero_point, p.left), p.m1, p.s1);
        const int32_t w = scale31(shift_left(*b - p.b_zero_point, p.left), p.m2, p.s2);
        y[i] = (@type@)clamp(scale31(v + p.sign * w, p.multiplier, p.shift) + p.zero_point, p.lo, p.hi);
    }
}
