/* NEON: requantization of four vectors of 4 accumulators to 16 bytes (SPEC 3), inlined by finish and dwconv2d. The vectors hold 16
 * neighbouring channels of one pixel. Parameters are read up to 16 channels on: the arrays have slack. */
#ifndef INTQ_VEC_NEON_H
#define INTQ_VEC_NEON_H
#include <arm_neon.h>
#include <stddef.h>

#include "kernels.h"
#include "vec/scalar.h"

#define INLINE static inline __attribute__((always_inline))

typedef struct {
    int32x4_t b[4], m[4], l[4], r[4]; /* bias, multiplier, left shift, minus the right shift */
    int32x4_t half[4];                /* shift: rounding; q31_double: 0 or -1, whether there is a shift to the right */
    int32x4_t zero_point;
    int8x16_t lo, hi;
} rq128;

INLINE void rq128_load(rq128 *p, const intq_requant *rq, int64_t channel) {
    for (int i = 0; i < 4; i++) {
        const int64_t c = channel + 4 * i;
        p->b[i] = rq->bias ? vld1q_s32(rq->bias + c) : vdupq_n_s32(0);
        p->m[i] = vld1q_s32(rq->mult + c);
        p->l[i] = vld1q_s32(rq->left + c);
        p->r[i] = vnegq_s32(vld1q_s32(rq->right + c));
    }
    p->zero_point = vdupq_n_s32(rq->zero_point);
    p->lo = vdupq_n_s8((int8_t)rq->lo);
    p->hi = vdupq_n_s8((int8_t)rq->hi);
}
INLINE void rq128_load_q15(rq128 *p, const intq_requant *rq, int64_t channel) {
    rq128_load(p, rq, channel);
    p->zero_point = vdupq_n_s32(64 * rq->zero_point + 32);
}
INLINE void rq128_load_shift(rq128 *p, const intq_requant *rq, int64_t channel) {
    rq128_load(p, rq, channel);
    for (int i = 0; i < 4; i++) p->half[i] = vreinterpretq_s32_u32(vshrq_n_u32(vshlq_u32(vdupq_n_u32(1), vnegq_s32(p->r[i])), 1));
}
INLINE void rq128_load_q31_single(rq128 *p, const intq_requant *rq, int64_t channel) { rq128_load(p, rq, channel); }
INLINE void rq128_load_q31_double(rq128 *p, const intq_requant *rq, int64_t channel) {
    rq128_load(p, rq, channel);
    for (int i = 0; i < 4; i++) p->half[i] = vreinterpretq_s32_u32(vtstq_s32(p->r[i], p->r[i]));
}

/* To bytes: int32 within int16's range after saturation, zero point added there. */
INLINE int8x16_t rq128_bytes(const rq128 *p, int16x8_t x, int16x8_t y) {
    return vminq_s8(vmaxq_s8(vcombine_s8(vqmovn_s16(x), vqmovn_s16(y)), p->lo), p->hi);
}
INLINE int8x16_t rq128_pack32(const rq128 *p, const int32x4_t *a) {
    int32x4_t v[4];
    for (int i = 0; i < 4; i++) v[i] = vqaddq_s32(a[i], p->zero_point);
    return rq128_bytes(p, vcombine_s16(vqmovn_s32(v[0]), vqmovn_s32(v[1])), vcombine_s16(vqmovn_s32(v[2]), vqmovn_s32(v[3])));
}

/* Each adds the bias. */
INLINE int8x16_t rq128_q15(const rq128 *p, const int32x4_t *a) {
    int16x8_t q[2];
    for (int i = 0; i < 2; i++) {
        int16x4_t t[2];
        for (int j = 0; j < 2; j++) {
            const int k = 2 * i + j;
            t[j] = vqmovn_s32(vshlq_s32(vshlq_s32(vaddq_s32(a[k], p->b[k]), p->l[k]), p->r[k]));
        }
        /* sqrdmulh: (2 * t * M + 2^15) >> 16, which is (t * M + 2^14) >> 15 */
        const int16x8_t m = vqrdmulhq_s16(vcombine_s16(t[0], t[1]), vcombine_s16(vmovn_s32(p->m[2 * i]), vmovn_s32(p->m[2 * i + 1])));
        q[i] = vshrq_n_s16(vqaddq_s16(m, vcombine_s16(vmovn_s32(p->zero_point), vmovn_s32(p->zero_point))), 6);
    }
    return rq128_bytes(p, q[0], q[1]);
}
INLINE int8x16_t rq128_shift(const rq128 *p, const int32x4_t *a) {
    int32x4_t v[4];
    for (int i = 0; i < 4; i++) v[i] = vshlq_s32(vshlq_s32(vaddq_s32(vaddq_s32(a[i], p->b[i]), p->half[i]), p->l[i]), p->r[i]);
    return rq128_pack32(p, v);
}
/* One rounding of the 64-bit product: srshl adds 2^(s-1) without overflow and shifts. */
INLINE int8x16_t rq128_q31_single(const rq128 *p, const int32x4_t *a) {
    int32x4_t v[4];
    for (int i = 0; i < 4; i++) {
        const int32x4_t x = vaddq_s32(a[i], p->b[i]);
        const int64x2_t low = vrshlq_s64(vmull_s32(vget_low_s32(x), vget_low_s32(p->m[i])), vmovl_s32(vget_low_s32(p->r[i])));
        const int64x2_t high = vrshlq_s64(vmull_high_s32(x, p->m[i]), vmovl_high_s32(p->r[i]));
        v[i] = vcombine_s32(vmovn_s64(low), vmovn_s64(high));
    }
    return rq128_pack32(p, v);
}
/* sqrdmulh is the doubling high multiply; srshl rounds ties up, so one less below zero where there is a shift. */
INLINE int8x16_t rq128_q31_double(const rq128 *p, const int32x4_t *a) {
    int32x4_t v[4];
    for (int i = 0; i < 4; i++) {
        const int32x4_t high = vqrdmulhq_s32(vshlq_s32(vaddq_s32(a[i], p->b[i]), p->l[i]), p->m[i]);
        v[i] = vrshlq_s32(vqaddq_s32(high, vandq_s32(vshrq_n_s32(high, 31), p->half[i])), p->r[i]);
    }
    return rq128_pack32(p, v);
}

/* The first n of 16 bytes. */
INLINE void store_first(int8_t *to, int8x16_t q, int64_t n) {
    if (n >= 16) {
        vst1q_s8(to, q);
        return;
    }
    int8_t bytes[16];
    vst1q_s8(bytes, q);
    __builtin_memcpy(to, bytes, (size_t)n);
}
#endif
