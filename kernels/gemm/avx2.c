/* gemm with vpmaddwd: 6 rows by 16 columns in 12 accumulators, both operands widened to 16 bits; so every weight is allowed, and it is
 * faster than the sign trick on bytes (vpsignb, vpmaddubsw, vpmaddwd, vpaddd for 32 products against twice vpmaddwd, vpaddd).
 * The left operand is widened once per block of rows, the right one as it is loaded. */
#ifndef __AVX2__
#error "compile with the flags of avx2 in isa.def"
#endif
#include "gemm/rows256.h"

enum { DEPTH = 512 }; /* of the widened copy */

INLINE void widen(int rows, int16_t (*to)[DEPTH], const int8_t *a, int64_t lda, int64_t k) {
    for (int i = 0; i < rows; i++)
        for (int64_t q = 0; q < k; q += 16)
            _mm256_store_si256((__m256i *)(to[i] + q), _mm256_cvtepi8_epi16(_mm_loadu_si128((const __m128i *)(a + i * lda + q))));
}

INLINE void block(int rows, GEMM_TILE) {
    int16_t wide[MR][DEPTH] __attribute__((aligned(32)));
    __m256i c[MR][2];
    begin_rows(rows, c, init);
    for (int64_t s = 0; s < segs; s++)
        for (int64_t q0 = 0; q0 < k; q0 += DEPTH) {
            const int64_t depth = k - q0 < DEPTH ? k - q0 : DEPTH;
            widen(rows, wide, a + seg_offset[s] + q0, lda, depth);
            for (int64_t q = 0; q < depth; q += 2, b += 32) {
                const __m256i b0 = _mm256_cvtepi8_epi16(_mm_loadu_si128((const __m128i *)b));
                const __m256i b1 = _mm256_cvtepi8_epi16(_mm_loadu_si128((const __m128i *)(b + 16)));
#pragma GCC unroll 6
                for (int i = 0; i < rows; i++) {
                    const __m256i v = broadcast4(wide[i] + q);
                    c[i][0] = _mm256_add_epi32(c[i][0], _mm256_madd_epi16(v, b0));
                    c[i][1] = _mm256_add_epi32(c[i][1], _mm256_madd_epi16(v, b1));
                }
            }
        }
    store_rows(rows, c, acc);
}

GEMM_ROWS(intq_gemm_s8s8_6x16x2_avx2, ROWS(6) ROWS(4) ROWS(2) ROWS(1))
