needs: clamp binary_sum
typedef struct {
    binary_shape shape;
    const int32_t *bias; /* with `fraction` bits behind the point */
    const int16_t *multiplier;
    const int8_t *shift; /* to the right */
    int32_t fraction, zero_point, lo, hi;
} bconv2d_s16_layer;

/* To 16 bits; a residual, if not NULL, is added. */
static void bconv2d_s16(const bconv2d_s16_layer *p, const uint8_t *x, const int16_t *residual, int16_t *y, uint8_t *column) {
    for (int32_t oy = 0; oy < p->shape.oh; oy++)
        for (int32_t ox = 0; ox < p->shape.ow; ox++) {
            const int whole = binary_column(&p->shape, x, oy, ox, column);
            for (int32_t o = 0; o < p->shape.oc; o++) {
                const int32_t sum = whole ? column_sum(&p->shape, column, o) : binary_sum(&p->shape, x, oy, ox, o);
                const int64_t acc = (int64_t)sum * (1 << p->fraction) + p->bias[o];
                int64_t q = ((acc * p->multiplier[o] + (INT64_C(1) << (p->shift[o] - 1))) >> p->shift[o]) + p->zero_point;
                q = q < INT16_MIN ? INT16_MIN : q > INT16_MAX ? INT16_MAX : q;
                if (residual) q += *residual++;
                *y++ = (int16_t)clamp((int32_t)q, p->lo, p->hi);
            }
        }
}
