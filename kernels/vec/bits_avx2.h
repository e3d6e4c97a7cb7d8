/* Sums of counted bits with AVX2: 2 rows by 32 columns; bits are counted by a table of 16 bytes, looked up by vpshufb for both halves of every
 * byte (Mula). Counts stay in bytes for up to 31 words (at most 8 each), then widen to 32 bits. */
#ifndef INTQ_VEC_BITS_AVX2_H
#define INTQ_VEC_BITS_AVX2_H
#ifndef __AVX2__
#error "compile with the flags of avx2 in isa.def"
#endif
#include <immintrin.h>

#include "vec/bits.h"

#define INLINE static inline __attribute__((always_inline))
enum { BITS_DEPTH = 31 };

INLINE __m256i count_bytes(__m256i v) {
    const __m256i table = _mm256_setr_epi8(0, 1, 1, 2, 1, 2, 2, 3, 1, 2, 2, 3, 2, 3, 3, 4, 0, 1, 1, 2, 1, 2, 2, 3, 1, 2, 2, 3, 2, 3, 3, 4);
    const __m256i low = _mm256_set1_epi8(15);
    return _mm256_add_epi8(_mm256_shuffle_epi8(table, _mm256_and_si256(v, low)), _mm256_shuffle_epi8(table, _mm256_and_si256(_mm256_srli_epi16(v, 4), low)));
}

INLINE void bits_block(int rows, bits_pairing pairing, int64_t count, const bit_pass *pass, int64_t words, const uint8_t *a0, int64_t lda,
                       const uint8_t *b0, int32_t *acc) {
    for (int i = 0; i < rows; i++)
        for (int h = 0; h < 4; h++) _mm256_storeu_si256((__m256i *)(acc + 32 * i + 8 * h), _mm256_setzero_si256());
    for (int64_t n = 0; n < count; n++, pass++)
        for (int64_t q0 = 0; q0 < words; q0 += BITS_DEPTH) {
            const int64_t end = q0 + BITS_DEPTH < words ? q0 + BITS_DEPTH : words;
            const uint8_t *a = a0 + pass->a, *b = b0 + pass->b + 128 * q0;
            __m256i c[2][4];
#pragma GCC unroll 2
            for (int i = 0; i < rows; i++)
                for (int h = 0; h < 4; h++) c[i][h] = _mm256_setzero_si256();
            for (int64_t q = q0; q < end; q++, b += 128)
#pragma GCC unroll 2
                for (int i = 0; i < rows; i++) {
                    int32_t v;
                    __builtin_memcpy(&v, a + i * lda + 4 * q, 4);
                    const __m256i left = _mm256_set1_epi32(v);
#pragma GCC unroll 4
                    for (int h = 0; h < 4; h++) {
                        const __m256i right = _mm256_loadu_si256((const __m256i *)(b + 32 * h));
                        const __m256i both = pairing == BITS_AND ? _mm256_and_si256(left, right) : _mm256_xor_si256(left, right);
                        c[i][h] = _mm256_add_epi8(c[i][h], count_bytes(both));
                    }
                }
            for (int i = 0; i < rows; i++)
                for (int h = 0; h < 4; h++) {
                    const __m256i pairs = _mm256_maddubs_epi16(c[i][h], _mm256_set1_epi8(1)); /* at most 2 * 248 */
                    __m256i *to = (__m256i *)(acc + 32 * i + 8 * h), before = _mm256_loadu_si256(to);
                    if (pass->twice && q0 == 0) before = _mm256_add_epi32(before, before);
                    _mm256_storeu_si256(to, _mm256_add_epi32(before, _mm256_madd_epi16(pairs, _mm256_set1_epi16(1))));
                }
        }
}

INLINE void bits_gemm(bits_pairing pairing, int64_t count, const bit_pass *pass, int64_t rows, int64_t words, const uint8_t *a, int64_t lda,
                      const uint8_t *b, const bits_end *end, int32_t *acc) {
    int64_t i = 0;
    for (; rows - i >= 2; i += 2) bits_block(2, pairing, count, pass, words, a + i * lda, lda, b, acc + 32 * i);
    if (i < rows) bits_block(1, pairing, count, pass, words, a + i * lda, lda, b, acc + 32 * i);
    bits_settle(end, rows, acc);
}
#endif
