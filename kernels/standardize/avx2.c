/* standardize with vectors of 256 bits. */
#ifndef __AVX2__
#error "compile with the flags of avx2 in isa.def"
#endif
#include <immintrin.h>

#define KERNEL_NAME intq_standardize_any_avx2
#define VECTOR 32
#include "standardize.inc"

INLINE longs products_unsigned(longs a, longs b) { return (longs)_mm256_mul_epu32((__m256i)a, (__m256i)b); }
INLINE longs products(longs a, longs b) { return (longs)_mm256_mul_epi32((__m256i)a, (__m256i)b); }
INLINE ints smaller(ints a, ints b) { return (ints)_mm256_min_epi32((__m256i)a, (__m256i)b); }
INLINE ints larger(ints a, ints b) { return (ints)_mm256_max_epi32((__m256i)a, (__m256i)b); }

INLINE ints load(const int8_t *x, int64_t count) {
    int64_t eight = 0;
    memcpy(&eight, x, (size_t)(count >= LANES ? LANES : count));
    return (ints)_mm256_cvtepi8_epi32(_mm_cvtsi64_si128(eight));
}
INLINE void store(int8_t *y, ints v, int64_t count) {
    const __m128i words = _mm_packs_epi32(_mm256_castsi256_si128((__m256i)v), _mm256_extracti128_si256((__m256i)v, 1));
    const int64_t eight = _mm_cvtsi128_si64(_mm_packs_epi16(words, words));
    memcpy(y, &eight, (size_t)(count >= LANES ? LANES : count));
}
INLINE int32_t total(ints v) {
    int32_t sum = 0;
    for (int lane = 0; lane < LANES; lane++) sum += v[lane];
    return sum;
}
