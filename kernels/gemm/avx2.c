/* gemm with vpmaddwd: 6 rows by 16 columns in 12 accumulators, both operands widened to 16 bits; so every weight is allowed, and it is
 * faster than the sign trick on bytes (vpsignb, vpmaddubsw, vpmaddwd, vpaddd for 32 products against twice vpmaddwd, vpaddd).
 * The left operand is widened once for several panels, the right one as it is loaded. */
#ifndef __AVX2__
#error "compile with the flags of avx2 in isa.def"
#endif
#include "gemm/rows256.h"

enum { DEPTH = 512, SPARE = 16 }; /* of the widened rows */

/* k columns of some rows, up to 15 more. */
INLINE void widen(int64_t rows, int16_t (*to)[DEPTH + SPARE], int64_t at, const int8_t *a, int64_t lda, int64_t k) {
    for (int64_t i = 0; i < rows; i++)
        for (int64_t q = 0; q < k; q += 16)
            _mm256_storeu_si256((__m256i *)(to[i] + at + q), _mm256_cvtepi8_epi16(_mm_loadu_si128((const __m128i *)(a + i * lda + q))));
}

/* `more`: the sum goes on from what acc holds. */
INLINE void block(int rows, int more, int64_t depth, int16_t (*wide)[DEPTH + SPARE], const int8_t *b, const int32_t *init, int32_t *acc) {
    __m256i c[MR][2];
    begin_rows(rows, c, init);
#pragma GCC unroll 6
    for (int i = 0; more && i < rows; i++)
        for (int h = 0; h < 2; h++) c[i][h] = _mm256_loadu_si256((const __m256i *)(acc + 16 * i + 8 * h));
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
    store_rows(rows, c, acc);
}

#define BLOCK(count)                                                                                    \
    case count:                                                                                         \
        block(count, more, depth, wide, from, init ? init + 16 * panel : NULL, acc + (panel * m + i) * 16); \
        break;

void intq_gemm_s8s8_6x16x2_avx2(int64_t m, int64_t n, GEMM_TILE) {
    int16_t wide[MR][DEPTH + SPARE] __attribute__((aligned(32)));
    const int64_t seg_depth = (k + 1) / 2 * 2, panels = (n + 15) / 16, panel_bytes = segs * seg_depth * 16;
    for (int64_t i = 0, rows; i < m; i += rows) {
        rows = m - i >= MR ? MR : m - i;
        int more = 0;
        const int8_t *weights = b;
        for (int64_t s = 0, q = 0, depth; s < segs; weights += depth * 16, more = 1) {
            for (depth = 0; s < segs && depth < DEPTH;) { /* as many segments as there is room for */
                const int64_t take = seg_depth - q < DEPTH - depth ? seg_depth - q : DEPTH - depth;
                widen(rows, wide, depth, a + i * lda + seg_offset[s] + q, lda, take);
                depth += take;
                q += take;
                if (q == seg_depth) q = 0, s++;
            }
            for (int64_t panel = 0; panel < panels; panel++) {
                const int8_t *from = weights + panel * panel_bytes;
                switch (rows) { BLOCK(6) BLOCK(5) BLOCK(4) BLOCK(3) BLOCK(2) BLOCK(1) }
            }
        }
    }
}
