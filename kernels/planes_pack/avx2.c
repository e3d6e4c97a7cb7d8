/* planes_pack: 64 channels at a time; reads up to 63 elements behind a pixel, whose bits are dropped. */
#ifndef __AVX2__
#error "compile with the flags of avx2 in isa.def"
#endif
#include <immintrin.h>

#include "planes_pack/planes_pack.h"

static inline void pack64(const intq_planes_pack *p, const int8_t *x, uint64_t valid, uint8_t *y) {
    const __m256i low = _mm256_set1_epi8((int8_t)p->low);
    const __m256i a = _mm256_sub_epi8(_mm256_loadu_si256((const __m256i *)x), low);
    const __m256i b = _mm256_sub_epi8(_mm256_loadu_si256((const __m256i *)(x + 32)), low);
    for (int m = 0; m < p->bits; m++) {
        const __m128i by = _mm_cvtsi32_si128(7 - m);
        const uint32_t first = (uint32_t)_mm256_movemask_epi8(_mm256_sll_epi16(a, by)), second = (uint32_t)_mm256_movemask_epi8(_mm256_sll_epi16(b, by));
        *(uint64_t *)(y + m * p->plane) = (first | (uint64_t)second << 32) & valid;
    }
}

PLANES_PACK(avx2)
