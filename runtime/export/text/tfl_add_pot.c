needs: clamp rounding_shift
typedef struct {
    int32_t shift_a, shift_b, sign, lo, hi; /* sign: -1 subtracts */
} tfl_add_pot_@name@_layer;

/* n sums of values whose scales are powers of two; a step of 0 repeats an operand. */
static void tfl_add_pot_@name@(const tfl_add_pot_@name@_layer *p, const @type@ *a, int32_t step_a, const @type@ *b, int32_t step_b, @type@ *y, int32_t n) {
    for (int32_t i = 0; i < n; i++, a += step_a, b += step_b)
        y[i] = (@type@)clamp(rounding_shift(*a, p->shift_a) + p->sign * rounding_shift(*b, p->shift_b), p->lo, p->hi);
}
