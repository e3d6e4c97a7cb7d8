needs: clamp requant_@rounding@
typedef struct {
    int32_t outer, reduce, inner; /* x[outer][reduce][inner] to y[outer][inner] */
    int32_t bias;                 /* the input's zero points and the rounding */
    int32_t multiplier, shift, zero_point, lo, hi;
} mean_@rounding@_layer;

static void mean_@rounding@(const mean_@rounding@_layer *layer, const int8_t *x, int8_t *y) {
    const mean_@rounding@_layer p = *layer;
    for (int32_t o = 0; o < p.outer; o++, x += p.reduce * p.inner)
        for (int32_t i = 0; i < p.inner; i++) {
            int32_t acc = p.bias;
            for (int32_t r = 0; r < p.reduce; r++) acc += x[r * p.inner + i];
            *y++ = (int8_t)clamp(requant_@rounding@(acc, p.multiplier, p.shift, p.zero_point), p.lo, p.hi);
        }
}
