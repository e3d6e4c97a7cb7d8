/* gemm with the 256-bit vpdpbusd: 6 rows by 16 columns in 12 accumulators. The left operand is the unsigned one. */
#ifndef __AVXVNNI__
#error "compile with the flags of avxvnni in isa.def"
#endif
#include <immintrin.h>

#include "kernels.h"

#define INLINE static inline __attribute__((always_inline))
enum { MR = 6 };

INLINE __m256i four_bytes(const int8_t *a) {
    int32_t v;
    __builtin_memcpy(&v, a, sizeof v);
    return _mm256_set1_epi32(v);
}

INLINE void block(int rows, int64_t segs, int64_t k, const int8_t *a, int64_t lda, const int64_t *seg_offset, const int8_t *b,
                  const int32_t *init, int32_t *acc) {
    __m256i c[MR][2];
    for (int h = 0; h < 2; h++)
#pragma GCC unroll 6
        for (int i = 0; i < rows; i++) c[i][h] = init ? _mm256_loadu_si256((const __m256i *)(init + 8 * h)) : _mm256_setzero_si256();
    for (int64_t s = 0; s < segs; s++) {
        const int8_t *p = a + seg_offset[s], *p3 = p + 3 * lda;
        for (int64_t q = 0; q < k; q += 4, b += 64) {
            const __m256i b0 = _mm256_loadu_si256((const __m256i *)b), b1 = _mm256_loadu_si256((const __m256i *)(b + 32));
#pragma GCC unroll 6
            for (int i = 0; i < rows; i++) {
                const __m256i v = four_bytes((i < 3 ? p : p3) + i % 3 * lda + q);
                c[i][0] = _mm256_dpbusd_avx_epi32(c[i][0], v, b0);
                c[i][1] = _mm256_dpbusd_avx_epi32(c[i][1], v, b1);
            }
        }
    }
#pragma GCC unroll 6
    for (int i = 0; i < rows; i++)
        for (int h = 0; h < 2; h++) _mm256_storeu_si256((__m256i *)(acc + 16 * i + 8 * h), c[i][h]);
}

#define ROWS(count)                                                                  \
    for (; m - i >= count; i += count) block(count, segs, k, a + i * lda, lda, seg_offset, b, init, acc + 16 * i);

void intq_gemm_u8s8_6x16x4_avxvnni(int64_t m, int64_t n, int64_t segs, int64_t k, const int8_t *a, int64_t lda, const int64_t *seg_offset,
                                   const int8_t *b, const int32_t *init, int32_t *acc) {
    int64_t i = 0;
    (void)n;
    ROWS(6)
    ROWS(4)
    ROWS(2)
    ROWS(1)
}
