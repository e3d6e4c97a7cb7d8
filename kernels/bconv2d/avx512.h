/* bconv2d: how the rows of 512-bit vectors store bits and int16. */
#ifndef INTQ_BCONV2D_AVX512_H
#define INTQ_BCONV2D_AVX512_H
#include "kernels.h"
#include "vec/four512.h"

INLINE uint32_t half_bits(const int32_t *acc, const int32_t *threshold, const int32_t *flip) {
    return (uint32_t)(_mm512_cmpge_epi32_mask(_mm512_loadu_si512(acc), _mm512_loadu_si512(threshold)) ^
                      _mm512_test_epi32_mask(_mm512_loadu_si512(flip), _mm512_set1_epi32(1)));
}
INLINE uint32_t bits32(const int32_t *acc, const int32_t *threshold, const int32_t *flip) {
    return half_bits(acc, threshold, flip) | half_bits(acc + 16, threshold + 16, flip + 16) << 16;
}

/* A vector of accumulators times a 15-bit multiplier in even and odd lanes of 64 bits; needs right >= 15, so that results fit 32 bits. */
INLINE __m256i scaled(__m512i acc, __m512i m, __m512i se, __m512i so, __m512i half_e, __m512i half_o) {
    const __m512i even = _mm512_srav_epi64(_mm512_add_epi64(_mm512_mul_epi32(acc, m), half_e), se);
    const __m512i odd = _mm512_srav_epi64(_mm512_add_epi64(_mm512_mul_epi32(_mm512_srli_epi64(acc, 32), _mm512_srli_epi64(m, 32)), half_o), so);
    return _mm512_cvtsepi32_epi16(_mm512_mask_shuffle_epi32(even, 0xAAAA, odd, (_MM_PERM_ENUM)0xA0));
}

static int store_s16(const intq_bconv2d *p, int64_t rows, int64_t n, const int32_t *acc, int64_t channel, const int16_t *residual, int16_t *y) {
    const __m512i low = _mm512_set1_epi64(0xFFFFFFFF), one = _mm512_set1_epi64(1);
    const __m256i lo = _mm256_set1_epi16((int16_t)p->rq.lo), hi = _mm256_set1_epi16((int16_t)p->rq.hi);
    if (p->rq.zero_point) return 0;
    for (int64_t j = 0; j < n; j++)
        if (p->rq.right[channel + j] < 15) return 0;
    for (int64_t j = 0; j < n; j += 16) {
        const __mmask16 some = n - j >= 16 ? 0xFFFF : (__mmask16)((1u << (n - j)) - 1);
        const __m512i m = _mm512_loadu_si512(p->rq.mult + channel + j), s = _mm512_loadu_si512(p->rq.right + channel + j);
        const __m512i se = _mm512_and_si512(s, low), so = _mm512_srli_epi64(s, 32);
        const __m512i half_e = _mm512_sllv_epi64(one, _mm512_sub_epi64(se, one)), half_o = _mm512_sllv_epi64(one, _mm512_sub_epi64(so, one));
        for (int64_t i = 0; i < rows; i++) {
            __m256i v = scaled(_mm512_loadu_si512(acc + 32 * i + j), m, se, so, half_e, half_o);
            if (residual) v = _mm256_adds_epi16(v, _mm256_maskz_loadu_epi16(some, residual + i * p->oc + j));
            _mm256_mask_storeu_epi16(y + i * p->oc + j, some, _mm256_min_epi16(_mm256_max_epi16(v, lo), hi));
        }
    }
    return 1;
}

#define BCONV_STORE_S16 store_s16
#endif
