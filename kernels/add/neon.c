/* add: differences folded into one constant, m1 * a + m2 * b by widening multiplies (SPEC 5). */
#include <arm_neon.h>
#include <stddef.h>

#include "elementwise.h"

typedef struct {
    int16_t m1, m2;
    int32x4_t constant, shift, zero_point; /* shift: to the right, negative */
    int8x16_t lo, hi;
} add_constants;

static inline int16x8_t eight(int16x8_t a, int16x8_t b, const add_constants *k) {
    int32x4_t low = vmlal_n_s16(k->constant, vget_low_s16(a), k->m1), high = vmlal_high_n_s16(k->constant, a, k->m1);
    low = vmlal_n_s16(low, vget_low_s16(b), k->m2);
    high = vmlal_high_n_s16(high, b, k->m2);
    low = vaddq_s32(vshlq_s32(low, k->shift), k->zero_point);
    high = vaddq_s32(vshlq_s32(high, k->shift), k->zero_point);
    return vcombine_s16(vqmovn_s32(low), vqmovn_s32(high));
}

static inline int8x16_t sixteen(int8x16_t a, int8x16_t b, const add_constants *k) {
    const int16x8_t low = eight(vmovl_s8(vget_low_s8(a)), vmovl_s8(vget_low_s8(b)), k), high = eight(vmovl_high_s8(a), vmovl_high_s8(b), k);
    return vminq_s8(vmaxq_s8(vcombine_s8(vqmovn_s16(low), vqmovn_s16(high)), k->lo), k->hi);
}

void intq_add_any_neon(const void *params, void *const *io, int64_t begin, int64_t end, uint8_t *scratch) {
    const intq_add *p = params;
    const int64_t n = p->shape.dims[INTQ_MAX_DIMS - 1];
    const int64_t sa = p->shape.stride_a[INTQ_MAX_DIMS - 1], sb = p->shape.stride_b[INTQ_MAX_DIMS - 1];
    const add_constants k = {
        (int16_t)p->m1,
        (int16_t)p->m2,
        vdupq_n_s32((1 << (p->shift - 1)) - p->m1 * p->a_zero_point - p->m2 * p->b_zero_point),
        vdupq_n_s32(-p->shift),
        vdupq_n_s32(p->y_zero_point),
        vdupq_n_s8((int8_t)p->lo),
        vdupq_n_s8((int8_t)p->hi),
    };
    (void)scratch;
    intq_walk at = intq_walk_from(&p->shape, begin);
    for (int64_t unit = begin; unit < end; unit++, intq_walk_on(&p->shape, &at)) {
        const int8_t *a = (const int8_t *)io[0] + at.a, *b = (const int8_t *)io[1] + at.b;
        const int8x16_t all_a = vdupq_n_s8(*a), all_b = vdupq_n_s8(*b); /* an innermost stride is 0 or 1 */
        int8_t *y = (int8_t *)io[2] + unit * n;
        for (int64_t i = 0; i < n; i += 16) {
            const int8x16_t q = sixteen(sa ? vld1q_s8(a + i) : all_a, sb ? vld1q_s8(b + i) : all_b, &k);
            if (n - i >= 16) {
                vst1q_s8(y + i, q);
            } else {
                int8_t rest[16];
                vst1q_s8(rest, q);
                __builtin_memcpy(y + i, rest, (size_t)(n - i));
            }
        }
    }
}
