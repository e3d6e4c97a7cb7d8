/* dwconv2d with the 256-bit vpdpbusd on groups of four bytes. */
#ifndef __AVXVNNI__
#error "compile with the flags of avxvnni in isa.def"
#endif
#include <immintrin.h>
#include <stdint.h>

#define COLUMN 4
#define WEIGHT_BYTES 128
#define FLIP -128
#define DW_NAME(x) x##_avxvnni
#define DW_NAME2(x, y) x##_avxvnni##y

static inline __attribute__((always_inline)) void dw_interleave(__m256i *out, __m256i a, __m256i b, __m256i c, __m256i d) {
    const __m256i ab = _mm256_unpacklo_epi8(a, b), AB = _mm256_unpackhi_epi8(a, b);
    const __m256i cd = _mm256_unpacklo_epi8(c, d), CD = _mm256_unpackhi_epi8(c, d);
    out[0] = _mm256_unpacklo_epi16(ab, cd);
    out[1] = _mm256_unpackhi_epi16(ab, cd);
    out[2] = _mm256_unpacklo_epi16(AB, CD);
    out[3] = _mm256_unpackhi_epi16(AB, CD);
}
static inline __attribute__((always_inline)) void dw_multiply(__m256i *acc, const __m256i *column, const int8_t *weights) {
    for (int k = 0; k < 4; k++) acc[k] = _mm256_dpbusd_avx_epi32(acc[k], column[k], _mm256_loadu_si256((const __m256i *)weights + k));
}
static inline void dw_pack(int8_t *to, int vector, int group, const int8_t *tap) {
    for (int t = 0; t < 4; t++) to[32 * vector + 4 * group + t] = tap[t];
}
#include "dwconv2d/columns.inc"
