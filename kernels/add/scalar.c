/* add and sub: one common exponent, one rounding (SPEC 5). Exact in int32: 2 * 32767 * 255 + 2^(shift-1) < 2^31 for shift <= 30. */
#include "elementwise.h"

void intq_add_any_scalar(const void *params, void *const *io, int64_t begin, int64_t end, uint8_t *scratch) {
    const intq_add *p = params;
    const int64_t n = p->shape.dims[INTQ_MAX_DIMS - 1];
    const int64_t sa = p->shape.stride_a[INTQ_MAX_DIMS - 1], sb = p->shape.stride_b[INTQ_MAX_DIMS - 1];
    const int32_t m1 = p->m1, m2 = p->m2, shift = p->shift, zp = p->y_zero_point, lo = p->lo, hi = p->hi;
    const int32_t constant = (1 << (shift - 1)) - m1 * p->a_zero_point - m2 * p->b_zero_point;
    (void)scratch;
    intq_walk at = intq_walk_from(&p->shape, begin);
    for (int64_t unit = begin; unit < end; unit++, intq_walk_on(&p->shape, &at)) {
        const int8_t *a = (const int8_t *)io[0] + at.a, *b = (const int8_t *)io[1] + at.b;
        int8_t *y = (int8_t *)io[2] + unit * n;
        for (int64_t i = 0; i < n; i++) {
            const int32_t v = ((m1 * a[i * sa] + m2 * b[i * sb] + constant) >> shift) + zp;
            y[i] = (int8_t)(v < lo ? lo : v > hi ? hi : v);
        }
    }
}
