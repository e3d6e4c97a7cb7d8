/* rows.h with 256-bit vectors: two accumulators hold the 16 columns of a row. */
#include <immintrin.h>

#include "gemm/rows.h"

enum { MR = 6 };

INLINE __m256i broadcast4(const void *bytes) {
    int32_t v;
    __builtin_memcpy(&v, bytes, sizeof v);
    return _mm256_set1_epi32(v);
}

INLINE void begin_rows(int rows, __m256i c[MR][2], const int32_t *init) {
    for (int h = 0; h < 2; h++)
#pragma GCC unroll 6
        for (int i = 0; i < rows; i++) c[i][h] = init ? _mm256_loadu_si256((const __m256i *)(init + 8 * h)) : _mm256_setzero_si256();
}

INLINE void store_rows(int rows, __m256i c[MR][2], int32_t *acc) {
#pragma GCC unroll 6
    for (int i = 0; i < rows; i++)
        for (int h = 0; h < 2; h++) _mm256_storeu_si256((__m256i *)(acc + 16 * i + 8 * h), c[i][h]);
}
