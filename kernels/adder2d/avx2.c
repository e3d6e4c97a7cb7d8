/* adder2d with vpsadbw: 32 absolute differences and their sums at once. */
#ifndef __AVX2__
#error "compile with the flags of avx2 in isa.def"
#endif
#include <immintrin.h>

#include "adder2d/adder2d.inc"

static inline void adder_four(const uint8_t *x, const uint8_t *w, int64_t lines, int32_t *sums) {
    __m256i s[4] = {_mm256_setzero_si256(), _mm256_setzero_si256(), _mm256_setzero_si256(), _mm256_setzero_si256()};
    for (int64_t k = 0; k < 64 * lines; k += 32) {
        const __m256i v = _mm256_loadu_si256((const __m256i *)(x + k));
#pragma GCC unroll 4
        for (int64_t j = 0; j < 4; j++)
            s[j] = _mm256_add_epi64(s[j], _mm256_sad_epu8(v, _mm256_loadu_si256((const __m256i *)(w + j * 64 * lines + k))));
    }
    for (int j = 0; j < 4; j++) {
        const __m128i h = _mm_add_epi64(_mm256_castsi256_si128(s[j]), _mm256_extracti128_si256(s[j], 1));
        sums[j] = _mm_cvtsi128_si32(_mm_add_epi64(h, _mm_srli_si128(h, 8)));
    }
}

ADDER_ROW(avx2)
