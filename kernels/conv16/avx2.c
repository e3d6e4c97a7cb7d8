/* conv16 with vpmaddwd. */
#ifndef __AVX2__
#error "compile with the flags of avx2 in isa.def"
#endif
#include "gemm/rows256.h"

INLINE void block(int rows, GEMM_TILE) {
    __m256i c[MR][2];
    begin_rows(rows, c, init);
    for (int64_t s = 0; s < segs; s++) {
        const int8_t *p = a + seg_offset[s];
        for (int64_t q = 0; q < k; q += 4, b += 64, p += 4) {
            const __m256i b0 = _mm256_loadu_si256((const __m256i *)b), b1 = _mm256_loadu_si256((const __m256i *)(b + 32));
#pragma GCC unroll 6
            for (int i = 0; i < rows; i++) {
                const __m256i v = broadcast4(p + i * lda);
                c[i][0] = _mm256_add_epi32(c[i][0], _mm256_madd_epi16(v, b0));
                c[i][1] = _mm256_add_epi32(c[i][1], _mm256_madd_epi16(v, b1));
            }
        }
    }
    store_rows(rows, c, acc);
}
static GEMM_ROWS(gemm, ROWS(6) ROWS(4) ROWS(2) ROWS(1))

#include "conv16/requant256.h"

#define CONV16_GEMM gemm
#define CONV16_COLUMNS 16
#define CONV16_FLAGS 0
#include "conv16/conv16.inc"

CONV16_ROW(avx2)
