/* AVX2: requantization of four vectors of 8 accumulators to 32 bytes (SPEC 3), inlined by finish and dwconv2d. The 256-bit twin of
 * vec/avx512vnni.h, with the layouts
 *   RQ_ROW    vector i holds channels 8i .. 8i+7 of one row
 *   RQ_PAIR   vectors 0, 1 hold 16 channels of one row, vectors 2, 3 the same of another
 *   RQ_QUAD   every vector holds the same 8 channels
 *   RQ_LANES  128-bit lane j of vector i holds channels 16j+4i .. +3; RQ_LANES_PAIR the same of 16 channels, in two halves
 * Parameters are read up to 32 channels on: the arrays have slack. */
#ifndef INTQ_VEC_AVX2_H
#define INTQ_VEC_AVX2_H
#ifndef __AVX2__
#error "compile with the flags of avx2 in isa.def"
#endif
#include <immintrin.h>

#include "kernels.h"
#include "vec/scalar.h"

#define INLINE static inline __attribute__((always_inline))

typedef enum { RQ_ROW, RQ_PAIR, RQ_QUAD, RQ_LANES, RQ_LANES_PAIR } rq256_layout;

typedef struct {
    __m256i b[4], l[4], s[4], m[4]; /* q15: m[0], m[1] hold 16-bit multipliers in packed order */
    __m256i half[4], half_odd[4];   /* as in rq512 */
    __m256i sign[4], sign_odd[4];   /* q31_single: 2^63 >> s, to shift arithmetically with logical shifts */
    __m256i zero_point, lo, hi;
    int slow;
} rq256;

INLINE void rq256_gather(__m256i *v, const int32_t *from, rq256_layout layout) {
    const int width = layout == RQ_ROW || layout == RQ_LANES ? 32 : layout == RQ_QUAD ? 8 : 16;
    for (int i = 0; i < 4; i++) {
        v[i] = from ? _mm256_loadu_si256((const __m256i *)(from + 8 * i % width)) : _mm256_setzero_si256();
        if (from && layout >= RQ_LANES) {
            const __m128i low = _mm_loadu_si128((const __m128i *)(from + 4 * i));
            v[i] = _mm256_inserti128_si256(_mm256_castsi128_si256(low), _mm_loadu_si128((const __m128i *)(from + (16 + 4 * i) % width)), 1);
        }
    }
}
INLINE void rq256_begin(rq256 *p, const intq_requant *rq, int64_t channel, rq256_layout layout) {
    rq256_gather(p->b, rq->bias ? rq->bias + channel : NULL, layout);
    rq256_gather(p->l, rq->left + channel, layout);
    rq256_gather(p->s, rq->right + channel, layout);
    rq256_gather(p->m, rq->mult + channel, layout);
    p->zero_point = _mm256_set1_epi16((int16_t)rq->zero_point);
    p->lo = _mm256_set1_epi8((int8_t)rq->lo);
    p->hi = _mm256_set1_epi8((int8_t)rq->hi);
    p->slow = 0;
}
INLINE void rq256_load_q15(rq256 *p, const intq_requant *rq, int64_t channel, int64_t n, rq256_layout layout) {
    (void)n;
    rq256_begin(p, rq, channel, layout);
    p->m[0] = _mm256_packs_epi32(p->m[0], p->m[1]);
    p->m[1] = _mm256_packs_epi32(p->m[2], p->m[3]);
    p->zero_point = _mm256_set1_epi16((int16_t)(rq->zero_point * 64 + 32));
}
INLINE void rq256_load_shift(rq256 *p, const intq_requant *rq, int64_t channel, int64_t n, rq256_layout layout) {
    (void)n;
    rq256_begin(p, rq, channel, layout);
    for (int i = 0; i < 4; i++) p->half[i] = _mm256_sllv_epi32(_mm256_set1_epi32(1), _mm256_sub_epi32(p->s[i], _mm256_set1_epi32(1)));
}
INLINE void rq256_load_q31_single(rq256 *p, const intq_requant *rq, int64_t channel, int64_t n, rq256_layout layout) {
    rq256_begin(p, rq, channel, layout);
    for (int64_t j = 0; j < n; j++) p->slow |= rq->right[channel + j] < 31;
    const __m256i one = _mm256_set1_epi64x(1), top = _mm256_set1_epi64x(INT64_MIN);
    for (int i = 0; i < 4; i++) {
        const __m256i even = _mm256_and_si256(p->s[i], _mm256_set1_epi64x(0xFFFFFFFF)), odd = _mm256_srli_epi64(p->s[i], 32);
        p->half[i] = _mm256_sllv_epi64(one, _mm256_sub_epi64(even, one));
        p->half_odd[i] = _mm256_sllv_epi64(one, _mm256_sub_epi64(odd, one));
        p->sign[i] = _mm256_srlv_epi64(top, even);
        p->sign_odd[i] = _mm256_srlv_epi64(top, odd);
    }
}
INLINE void rq256_load_q31_double(rq256 *p, const intq_requant *rq, int64_t channel, int64_t n, rq256_layout layout) {
    (void)n;
    rq256_begin(p, rq, channel, layout);
    for (int i = 0; i < 4; i++) p->half[i] = _mm256_sub_epi32(_mm256_sllv_epi32(_mm256_set1_epi32(1), p->s[i]), _mm256_set1_epi32(1));
}

INLINE __m256i rq256_bytes(const rq256 *p, __m256i x, __m256i y, rq256_layout layout) {
    __m256i q = _mm256_packs_epi16(x, y);
    if (layout < RQ_LANES) q = _mm256_permutevar8x32_epi32(q, _mm256_setr_epi32(0, 4, 1, 5, 2, 6, 3, 7));
    return _mm256_min_epi8(_mm256_max_epi8(q, p->lo), p->hi);
}
INLINE __m256i rq256_pack32(const rq256 *p, const __m256i *a, rq256_layout layout) {
    const __m256i x = _mm256_adds_epi16(_mm256_packs_epi32(a[0], a[1]), p->zero_point);
    return rq256_bytes(p, x, _mm256_adds_epi16(_mm256_packs_epi32(a[2], a[3]), p->zero_point), layout);
}

/* `bias`: whether p->b is still to be added. */
INLINE __m256i rq256_q15(const rq256 *p, __m256i *a, int bias, rq256_layout layout) {
    for (int i = 0; i < 4; i++) {
        if (bias) a[i] = _mm256_add_epi32(a[i], p->b[i]);
        a[i] = _mm256_srav_epi32(_mm256_sllv_epi32(a[i], p->l[i]), p->s[i]);
    }
    __m256i x = _mm256_mulhrs_epi16(_mm256_packs_epi32(a[0], a[1]), p->m[0]), y = _mm256_mulhrs_epi16(_mm256_packs_epi32(a[2], a[3]), p->m[1]);
    x = _mm256_srai_epi16(_mm256_adds_epi16(x, p->zero_point), 6);
    y = _mm256_srai_epi16(_mm256_adds_epi16(y, p->zero_point), 6);
    return rq256_bytes(p, x, y, layout);
}
INLINE __m256i rq256_shift(const rq256 *p, __m256i *a, int bias, rq256_layout layout) {
    for (int i = 0; i < 4; i++) {
        if (bias) a[i] = _mm256_add_epi32(a[i], p->b[i]);
        a[i] = _mm256_srav_epi32(_mm256_sllv_epi32(_mm256_add_epi32(a[i], p->half[i]), p->l[i]), p->s[i]);
    }
    return rq256_pack32(p, a, layout);
}
/* v >> s of 64 bits, rounded: logical shift of v + 2^63, less 2^63 >> s. */
INLINE __m256i rq256_shift64(__m256i v, __m256i half, __m256i s, __m256i sign) {
    v = _mm256_xor_si256(_mm256_add_epi64(v, half), _mm256_set1_epi64x(INT64_MIN));
    return _mm256_sub_epi64(_mm256_srlv_epi64(v, s), sign);
}
INLINE __m256i rq256_q31_single(const rq256 *p, __m256i *a, int bias, rq256_layout layout) {
    for (int i = 0; i < 4; i++) {
        if (bias) a[i] = _mm256_add_epi32(a[i], p->b[i]);
        const __m256i se = _mm256_and_si256(p->s[i], _mm256_set1_epi64x(0xFFFFFFFF)), so = _mm256_srli_epi64(p->s[i], 32);
        const __m256i product = _mm256_mul_epi32(_mm256_srli_epi64(a[i], 32), _mm256_srli_epi64(p->m[i], 32));
        const __m256i even = rq256_shift64(_mm256_mul_epi32(a[i], p->m[i]), p->half[i], se, p->sign[i]);
        const __m256i odd = rq256_shift64(product, p->half_odd[i], so, p->sign_odd[i]);
        a[i] = _mm256_blend_epi32(even, _mm256_slli_epi64(odd, 32), 0xAA);
    }
    return rq256_pack32(p, a, layout);
}
INLINE __m256i rq256_q31_double(const rq256 *p, __m256i *a, int bias, rq256_layout layout) {
    const __m256i half = _mm256_set1_epi64x(1 << 30);
    for (int i = 0; i < 4; i++) {
        if (bias) a[i] = _mm256_add_epi32(a[i], p->b[i]);
        a[i] = _mm256_sllv_epi32(a[i], p->l[i]);
        const __m256i even = _mm256_srli_epi64(_mm256_add_epi64(_mm256_mul_epi32(a[i], p->m[i]), half), 31);
        const __m256i odd = _mm256_add_epi64(_mm256_mul_epi32(_mm256_srli_epi64(a[i], 32), _mm256_srli_epi64(p->m[i], 32)), half);
        const __m256i high = _mm256_blend_epi32(even, _mm256_slli_epi64(odd, 1), 0xAA);
        const __m256i rest = _mm256_and_si256(high, p->half[i]);
        const __m256i threshold = _mm256_sub_epi32(_mm256_srli_epi32(p->half[i], 1), _mm256_srai_epi32(high, 31));
        a[i] = _mm256_sub_epi32(_mm256_srav_epi32(high, p->s[i]), _mm256_cmpgt_epi32(rest, threshold));
    }
    return rq256_pack32(p, a, layout);
}

/* The first n of 32 / parts bytes of part i. */
INLINE void store_part(int8_t *to, __m256i q, int i, int parts, int64_t n) {
    if (n == 32 && parts == 1)
        _mm256_storeu_si256((__m256i *)to, q);
    else if (n == 16 && parts == 2)
        _mm_storeu_si128((__m128i *)to, i ? _mm256_extracti128_si256(q, 1) : _mm256_castsi256_si128(q));
    else {
        int8_t bytes[32];
        _mm256_storeu_si256((__m256i *)bytes, q);
        __builtin_memcpy(to, bytes + i * 32 / parts, (size_t)n);
    }
}
#endif
