/* bconv2d with AVX2. */
#include "vec/bits_avx2.h"

INLINE uint32_t bits32(const int32_t *acc, const int32_t *threshold, const int32_t *flip) {
    uint32_t bits = 0;
    for (int h = 0; h < 4; h++) {
        const __m256i less = _mm256_cmpgt_epi32(_mm256_loadu_si256((const __m256i *)(threshold + 8 * h)), _mm256_loadu_si256((const __m256i *)(acc + 8 * h)));
        const __m256i zero = _mm256_cmpeq_epi32(_mm256_loadu_si256((const __m256i *)(flip + 8 * h)), _mm256_setzero_si256());
        /* moving masks is logic on the sign bits: (not less) xor flip = less xor (flip == 0) */
        const __m256i words = _mm256_xor_si256(less, zero);
        const __m128i halves = _mm_packs_epi32(_mm256_castsi256_si128(words), _mm256_extracti128_si256(words, 1));
        bits |= (uint32_t)(_mm_movemask_epi8(_mm_packs_epi16(halves, halves)) & 255) << (8 * h);
    }
    return bits;
}

#include "bconv2d/bconv2d.inc"

BCONV_ROWS(avx2)
