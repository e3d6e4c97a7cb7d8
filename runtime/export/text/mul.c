needs: clamp requant_@rounding@
typedef struct {
    int32_t a_zero_point, b_zero_point, rounding; /* rounding: added to each product */
    int32_t multiplier, shift, zero_point, lo, hi;
} mul_@rounding@_layer;

/* n products; a step of 0 repeats an operand. */
static void mul_@rounding@(const mul_@rounding@_layer *layer, const int8_t *a, int32_t step_a, const int8_t *b, int32_t step_b, int8_t *y, int32_t n) {
    const mul_@rounding@_layer p = *layer;
    for (int32_t i = 0; i < n; i++, a += step_a, b += step_b) {
        const int32_t acc = (*a - p.a_zero_point) * (*b - p.b_zero_point) + p.rounding;
        y[i] = (int8_t)clamp(requant_@rounding@(acc, p.multiplier, p.shift, p.zero_point), p.lo, p.hi);
    }
}
