needs: clamp
typedef struct {
    int32_t m1, m2, shift; /* a * m1 + b * m2, to the right by shift */
    int32_t offset;        /* of the sum: the inputs' zero points and the rounding */
    int32_t zero_point, lo, hi;
} add_layer;

/* n sums; a step of 0 repeats an operand. */
static void add(const add_layer *layer, const int8_t *a, int32_t step_a, const int8_t *b, int32_t step_b, int8_t *y, int32_t n) {
    const add_layer p = *layer;
    for (int32_t i = 0; i < n; i++, a += step_a, b += step_b)
        y[i] = (int8_t)clamp(((p.m1 * *a + p.m2 * *b + p.offset) >> p.shift) + p.zero_point, p.lo, p.hi);
}
