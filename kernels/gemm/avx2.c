/* gemm with vpmaddwd: 6 rows by 16 columns in 12 accumulators, both operands widened to 16 bits; so every weight is allowed, and it is
 * faster than the sign trick on bytes (vpsignb, vpmaddubsw, vpmaddwd, vpaddd for 32 products against twice vpmaddwd, vpaddd).
 * The left operand is widened once per block of rows, the right one as it is loaded. */
#ifndef __AVX2__
#error "compile with the flags of avx2 in isa.def"
#endif
#include <immintrin.h>

#include "kernels.h"

#define INLINE static inline __attribute__((always_inline))
enum { MR = 6, DEPTH = 512 }; /* DEPTH: of the widened copy */

INLINE __m256i pair(const int16_t *a) {
    int32_t v;
    __builtin_memcpy(&v, a, sizeof v);
    return _mm256_set1_epi32(v);
}

INLINE void widen(int rows, int16_t (*to)[DEPTH], const int8_t *a, int64_t lda, int64_t k) {
    for (int i = 0; i < rows; i++)
        for (int64_t q = 0; q < k; q += 16)
            _mm256_store_si256((__m256i *)(to[i] + q), _mm256_cvtepi8_epi16(_mm_loadu_si128((const __m128i *)(a + i * lda + q))));
}

INLINE void block(int rows, int64_t segs, int64_t k, const int8_t *a, int64_t lda, const int64_t *seg_offset, const int8_t *b,
                  const int32_t *init, int32_t *acc) {
    int16_t wide[MR][DEPTH] __attribute__((aligned(32)));
    __m256i c[MR][2];
    for (int h = 0; h < 2; h++)
#pragma GCC unroll 6
        for (int i = 0; i < rows; i++) c[i][h] = init ? _mm256_loadu_si256((const __m256i *)(init + 8 * h)) : _mm256_setzero_si256();
    for (int64_t s = 0; s < segs; s++)
        for (int64_t q0 = 0; q0 < k; q0 += DEPTH) {
            const int64_t depth = k - q0 < DEPTH ? k - q0 : DEPTH;
            widen(rows, wide, a + seg_offset[s] + q0, lda, depth);
            for (int64_t q = 0; q < depth; q += 2, b += 32) {
                const __m256i b0 = _mm256_cvtepi8_epi16(_mm_loadu_si128((const __m128i *)b));
                const __m256i b1 = _mm256_cvtepi8_epi16(_mm_loadu_si128((const __m128i *)(b + 16)));
#pragma GCC unroll 6
                for (int i = 0; i < rows; i++) {
                    const __m256i v = pair(wide[i] + q);
                    c[i][0] = _mm256_add_epi32(c[i][0], _mm256_madd_epi16(v, b0));
                    c[i][1] = _mm256_add_epi32(c[i][1], _mm256_madd_epi16(v, b1));
                }
            }
        }
#pragma GCC unroll 6
    for (int i = 0; i < rows; i++)
        for (int h = 0; h < 2; h++) _mm256_storeu_si256((__m256i *)(acc + 16 * i + 8 * h), c[i][h]);
}

#define ROWS(count)                                                                  \
    for (; m - i >= count; i += count) block(count, segs, k, a + i * lda, lda, seg_offset, b, init, acc + 16 * i);

void intq_gemm_s8s8_6x16x2_avx2(int64_t m, int64_t n, int64_t segs, int64_t k, const int8_t *a, int64_t lda, const int64_t *seg_offset,
                                const int8_t *b, const int32_t *init, int32_t *acc) {
    int64_t i = 0;
    (void)n;
    ROWS(6)
    ROWS(4)
    ROWS(2)
    ROWS(1)
}
