/* bconv2d with AVX2: 2 pixels by 32 channels; bits are counted by a table of 16 bytes, looked up by vpshufb for both halves of every byte.
 * Counts stay in bytes for up to 31 words (at most 8 each), then widen to 32 bits. */
#ifndef __AVX2__
#error "compile with the flags of avx2 in isa.def"
#endif
#include <immintrin.h>
#include <stdint.h>

#define INLINE static inline __attribute__((always_inline))
enum { DEPTH = 31 };

INLINE __m256i count_bytes(__m256i v) {
    const __m256i table = _mm256_setr_epi8(0, 1, 1, 2, 1, 2, 2, 3, 1, 2, 2, 3, 2, 3, 3, 4, 0, 1, 1, 2, 1, 2, 2, 3, 1, 2, 2, 3, 2, 3, 3, 4);
    const __m256i low = _mm256_set1_epi8(15);
    return _mm256_add_epi8(_mm256_shuffle_epi8(table, _mm256_and_si256(v, low)), _mm256_shuffle_epi8(table, _mm256_and_si256(_mm256_srli_epi16(v, 4), low)));
}

INLINE void block(int rows, int64_t words, const uint8_t *a, int64_t lda, const uint8_t *b, int32_t *acc) {
    for (int i = 0; i < rows; i++)
        for (int h = 0; h < 4; h++) _mm256_storeu_si256((__m256i *)(acc + 32 * i + 8 * h), _mm256_setzero_si256());
    for (int64_t q0 = 0; q0 < words; q0 += DEPTH) {
        const int64_t end = q0 + DEPTH < words ? q0 + DEPTH : words;
        __m256i c[2][4];
#pragma GCC unroll 2
        for (int i = 0; i < rows; i++)
            for (int h = 0; h < 4; h++) c[i][h] = _mm256_setzero_si256();
        for (int64_t q = q0; q < end; q++, b += 128)
#pragma GCC unroll 2
            for (int i = 0; i < rows; i++) {
                int32_t v;
                __builtin_memcpy(&v, a + i * lda + 4 * q, 4);
#pragma GCC unroll 4
                for (int h = 0; h < 4; h++)
                    c[i][h] = _mm256_add_epi8(c[i][h], count_bytes(_mm256_xor_si256(_mm256_set1_epi32(v), _mm256_loadu_si256((const __m256i *)(b + 32 * h)))));
            }
        for (int i = 0; i < rows; i++)
            for (int h = 0; h < 4; h++) {
                const __m256i pairs = _mm256_maddubs_epi16(c[i][h], _mm256_set1_epi8(1)); /* at most 2 * 248 */
                const __m256i sum = _mm256_madd_epi16(pairs, _mm256_set1_epi16(1));
                __m256i *to = (__m256i *)(acc + 32 * i + 8 * h);
                _mm256_storeu_si256(to, _mm256_add_epi32(_mm256_loadu_si256(to), sum));
            }
    }
}

INLINE void bgemm(int64_t rows, int64_t words, const uint8_t *a, int64_t lda, const uint8_t *b, int32_t *acc) {
    int64_t i = 0;
    for (; rows - i >= 2; i += 2) block(2, words, a + i * lda, lda, b, acc + 32 * i);
    if (i < rows) block(1, words, a + i * lda, lda, b, acc + 32 * i);
}

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
