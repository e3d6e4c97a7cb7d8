needs: clamp64 scale31
typedef struct {
    int32_t a_zero_point, b_zero_point, m1, s1, m2, s2, zero_point, lo, hi; /* m1, s1 for what is not negative, m2, s2 for the rest */
} tfl_prelu_@name@_layer;

/* n values, the negative ones times b; a step of 0 repeats an operand. */
static void tfl_prelu_@name@(const tfl_prelu_@name@_layer *p, const @type@ *a, int32_t step_a, const int8_t *b, int32_t step_b, @type@ *y, int32_t n) {
    for (int32_t i = 0; i < n; i++, a += step_a, b += step_b) {
        const int32_t x = *a - p->a_zero_point;
        const int32_t v = x >= 0 ? scale31(x, p->m1, p->s1) : scale31(x * (*b - p->b_zero_point), p->m2, p->s2);
        y[i] = (@type@)clamp64((int64_t)v + p->zero_point, p->lo, p->hi);
    }
}
