/* dwconv2d with vpmaddwd: groups of four bytes widened to two pairs of 16 bits. */
#ifndef __AVX2__
#error "compile with the flags of avx2 in isa.def"
#endif
#include <immintrin.h>
#include <stdint.h>

#define COLUMN 8
#define WEIGHT_BYTES 256
#define FLIP 0
#define DW_NAME(x) x##_avx2
#define DW_NAME2(x, y) x##_avx2##y

/* out[2v] pairs of rows a and b, out[2v + 1] of c and d, sign-extended: unpacking a vector with itself and shifting right. */
static inline __attribute__((always_inline)) void dw_interleave(__m256i *out, __m256i a, __m256i b, __m256i c, __m256i d) {
    const __m256i r[4] = {a, b, c, d};
    __m256i w[4][2];
    for (int i = 0; i < 4; i++) {
        w[i][0] = _mm256_srai_epi16(_mm256_unpacklo_epi8(r[i], r[i]), 8);
        w[i][1] = _mm256_srai_epi16(_mm256_unpackhi_epi8(r[i], r[i]), 8);
    }
    for (int h = 0; h < 2; h++)
        for (int i = 0; i < 2; i++) {
            out[4 * h + i] = _mm256_unpacklo_epi16(w[2 * i][h], w[2 * i + 1][h]);
            out[4 * h + 2 + i] = _mm256_unpackhi_epi16(w[2 * i][h], w[2 * i + 1][h]);
        }
}
static inline __attribute__((always_inline)) void dw_multiply(__m256i *acc, const __m256i *column, const int8_t *weights) {
    const __m256i *w = (const __m256i *)weights;
    for (int k = 0; k < 4; k++)
        for (int i = 0; i < 2; i++) acc[k] = _mm256_add_epi32(acc[k], _mm256_madd_epi16(column[2 * k + i], _mm256_loadu_si256(w + 2 * k + i)));
}
static inline void dw_pack(int8_t *to, int vector, int group, const int8_t *tap) {
    int16_t *wide = (int16_t *)to + 32 * vector + 2 * group;
    for (int t = 0; t < 4; t++) wide[t / 2 * 16 + t % 2] = tap[t];
}
#include "dwconv2d/columns.inc"
