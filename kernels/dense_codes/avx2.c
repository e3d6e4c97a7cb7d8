/* dense_codes with AVX2: codes of a table as the compiler vectorizes them; linear codes, which are at most 3, by vpmaddubsw in 16 bits. */
#ifndef __AVX2__
#error "compile with the flags of avx2 in isa.def"
#endif
#include <immintrin.h>

#include "dense_codes/plain.inc"

CODES_PLAIN(avx2)

enum { LINEAR_ROWS = 1, STEPS = 40 }; /* 40 sums of two products of 3 and 128 fit 16 bits */

static inline __attribute__((always_inline)) void sums(int bits, const intq_dense_codes *p, int64_t unit, const int8_t *x, int32_t *acc) {
    const uint8_t *codes = p->packed + unit * codes_vectors(p) * 64;
    const int steps = 4 / bits;
    const __m256i mask = _mm256_set1_epi8((char)((1 << bits) - 1)), ones = _mm256_set1_epi16(1);
    const int64_t vectors = codes_vectors(p), run = STEPS / steps;
    __m256i sum[4];
    for (int h = 0; h < 4; h++) sum[h] = _mm256_setzero_si256();
    for (int64_t from = 0; from < vectors; from += run) {
        const int64_t end = from + run < vectors ? from + run : vectors;
        __m256i part[4];
        for (int h = 0; h < 4; h++) part[h] = _mm256_setzero_si256();
        for (int64_t v = from; v < end; v++) {
            __m256i c[2] = {_mm256_loadu_si256((const __m256i *)(codes + 64 * v)), _mm256_loadu_si256((const __m256i *)(codes + 64 * v + 32))};
#pragma GCC unroll 4
            for (int s = 0; s < steps; s++) {
                int32_t four;
                memcpy(&four, x + 4 * (v * steps + s), 4);
                const __m256i in = _mm256_set1_epi32(four);
#pragma GCC unroll 4
                for (int h = 0; h < 4; h++) {
                    const __m256i w = _mm256_and_si256(_mm256_srli_epi16(c[h % 2], (2 * s + h / 2) * bits), mask);
                    part[h] = _mm256_add_epi16(part[h], _mm256_maddubs_epi16(w, in));
                }
            }
        }
        for (int h = 0; h < 4; h++) sum[h] = _mm256_add_epi32(sum[h], _mm256_madd_epi16(part[h], ones));
    }
    for (int h = 0; h < 4; h++) _mm256_storeu_si256((__m256i *)(acc + 8 * h), sum[h]);
}

static inline void linear_sums(const intq_dense_codes *p, int64_t rows, int64_t unit, const int8_t *x, int64_t ldx, int32_t *acc) {
    (void)rows, (void)ldx;
    if (p->bits == 1)
        sums(1, p, unit, x, acc);
    else
        sums(2, p, unit, x, acc);
}

#include "dense_codes/linear.inc"

CODES_LINEAR(avx2)
