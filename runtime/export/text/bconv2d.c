needs: clamp requant_@rounding@ binary_sum
typedef struct {
    binary_shape shape;
    const int32_t *bias, *multiplier; /* the bias holds the rounding, and has `fraction` bits behind the point */
    const int8_t *shift;
    int32_t fraction, zero_point, lo, hi;
} bconv2d_@rounding@_layer;

static void bconv2d_@rounding@(const bconv2d_@rounding@_layer *p, const uint8_t *x, int8_t *y, uint8_t *column) {
    for (int32_t oy = 0; oy < p->shape.oh; oy++)
        for (int32_t ox = 0; ox < p->shape.ow; ox++) {
            const int whole = binary_column(&p->shape, x, oy, ox, column);
            for (int32_t o = 0; o < p->shape.oc; o++) {
                const int32_t sum = whole ? column_sum(&p->shape, column, o) : binary_sum(&p->shape, x, oy, ox, o);
                const int32_t acc = sum * (1 << p->fraction) + p->bias[o];
                *y++ = (int8_t)clamp(requant_@rounding@(acc, p->multiplier[o], p->shift[o], p->zero_point), p->lo, p->hi);
            }
        }
}
