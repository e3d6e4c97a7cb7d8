/* gemm with the 256-bit vpdpbusd: 6 rows by 16 columns in 12 accumulators. The left operand is the unsigned one. */
#ifndef __AVXVNNI__
#error "compile with the flags of avxvnni in isa.def"
#endif
#include "gemm/rows256.h"

INLINE void block(int rows, GEMM_TILE) {
    __m256i c[MR][2];
    begin_rows(rows, c, init);
    for (int64_t s = 0; s < segs; s++) {
        const int8_t *p = a + seg_offset[s], *p3 = p + 3 * lda;
        for (int64_t q = 0; q < k; q += 4, b += 64) {
            const __m256i b0 = _mm256_loadu_si256((const __m256i *)b), b1 = _mm256_loadu_si256((const __m256i *)(b + 32));
#pragma GCC unroll 6
            for (int i = 0; i < rows; i++) {
                const __m256i v = broadcast4((i < 3 ? p : p3) + i % 3 * lda + q);
                c[i][0] = _mm256_dpbusd_avx_epi32(c[i][0], v, b0);
                c[i][1] = _mm256_dpbusd_avx_epi32(c[i][1], v, b1);
            }
        }
    }
    store_rows(rows, c, acc);
}

GEMM_ROWS(intq_gemm_u8s8_6x16x4_avxvnni, ROWS(6) ROWS(4) ROWS(2) ROWS(1))
