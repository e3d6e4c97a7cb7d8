/* softmax: rows of at most 511 elements, whose sum fits 32 bits, eight quotients at a time; others as the neighbours do them. */
#ifndef __AVX512VNNI__
#error "compile with the flags of avx512vnni in isa.def"
#endif
#include <immintrin.h>

#define KERNEL_STATIC static
#define KERNEL_NAME longer
#include "softmax.inc"

enum { MOST = 511, LEAST_SUM = 1 << 20 };

static inline __mmask16 first16(int64_t n) { return (__mmask16)(n >= 16 ? 0xFFFF : (1u << n) - 1); }

/* floor((e << bits) + sum / 2) / sum) - 128, at most 127. For v = (e << bits) + sum / 2 < 2^44, 2^20 <= sum < 2^32 and i = floor(2^64 / sum / 2^12) the
 * product (v / 2^12 * i) / 2^40 is less than v / sum by at most 2^-7: its floor is the quotient or one less. */
static inline __m128i quotients(__m256i e, __m128i bits, __m512i half, __m512i sum, __m512i inverse) {
    const __m512i v = _mm512_add_epi64(_mm512_sll_epi64(_mm512_cvtepu32_epi64(e), bits), half);
    __m512i q = _mm512_srli_epi64(_mm512_mul_epu32(_mm512_srli_epi64(v, 12), inverse), 40);
    const __mmask8 more = _mm512_cmpge_epu64_mask(_mm512_sub_epi64(v, _mm512_mul_epu32(q, sum)), sum);
    q = _mm512_mask_add_epi64(q, more, q, _mm512_set1_epi64(1));
    return _mm512_cvtepi64_epi8(_mm512_sub_epi64(_mm512_min_epu64(q, _mm512_set1_epi64(255)), _mm512_set1_epi64(128)));
}

void intq_softmax_any_avx512vnni(const void *params, void *const *io, int64_t begin, int64_t end, uint8_t *scratch) {
    const intq_softmax *p = params;
    const int64_t n = p->cols;
    if (n > MOST) {
        longer(params, io, begin, end, scratch);
        return;
    }
    for (int64_t unit = begin; unit < end; unit++) {
        const int8_t *x = (const int8_t *)io[0] + unit * n;
        int8_t *y = (int8_t *)io[1] + unit * n;
        int32_t e[MOST + 1];
        __m512i top = _mm512_set1_epi32(-128), sums = _mm512_setzero_si512();
        for (int64_t i = 0; i < n; i += 16)
            top = _mm512_mask_max_epi32(top, first16(n - i), top, _mm512_cvtepi8_epi32(_mm_maskz_loadu_epi8(first16(n - i), x + i)));
        top = _mm512_set1_epi32(_mm512_reduce_max_epi32(top));
        for (int64_t i = 0; i < n; i += 16) {
            const __mmask16 some = first16(n - i);
            const __m512i d = _mm512_sub_epi32(top, _mm512_cvtepi8_epi32(_mm_maskz_loadu_epi8(some, x + i)));
            const __m512i found = _mm512_mask_i32gather_epi32(_mm512_setzero_si512(), some, d, p->table, 4);
            _mm512_storeu_si512(e + i, found);
            sums = _mm512_add_epi32(sums, found);
        }
        const uint32_t sum = (uint32_t)_mm512_reduce_add_epi32(sums);
        if (sum < LEAST_SUM) { /* a table that begins with less than 1 */
            longer(params, io, unit, unit + 1, scratch);
            continue;
        }
        const __m512i half = _mm512_set1_epi64(sum >> 1), whole = _mm512_set1_epi64(sum);
        const __m512i inverse = _mm512_set1_epi64((int64_t)((UINT64_MAX / sum) >> 12));
        const __m128i bits = _mm_cvtsi32_si128(p->bits);
        for (int64_t i = 0; i < n; i += 16) {
            const __m128i low = quotients(_mm256_loadu_si256((const __m256i *)(e + i)), bits, half, whole, inverse);
            const __m128i high = quotients(_mm256_loadu_si256((const __m256i *)(e + i + 8)), bits, half, whole, inverse);
            _mm_mask_storeu_epi8(y + i, first16(n - i), _mm_unpacklo_epi64(low, high));
        }
    }
}
