/* dwconv16 with vpmaddwd: 16 channels at a time. */
#ifndef __AVX2__
#error "compile with the flags of avx2 in isa.def"
#endif
#include "conv16/requant256.h"

#define DW16_CHANNELS 16
#define DW16_LANES 2
#include "dwconv16/dwconv16.inc"

static inline __m256i load(const int16_t *from) { return _mm256_loadu_si256((const __m256i *)from); }

static inline void dw16_sums(int32_t *sum, const int16_t *const *x, int64_t pairs, int64_t at, const int16_t *w) {
    __m256i low = _mm256_setzero_si256(), high = low;
    for (int64_t i = 0; i < pairs; i++, w += 32) {
        const __m256i a = load(x[2 * i] + at), b = load(x[2 * i + 1] + at);
        low = _mm256_add_epi32(low, _mm256_madd_epi16(_mm256_unpacklo_epi16(a, b), load(w)));
        high = _mm256_add_epi32(high, _mm256_madd_epi16(_mm256_unpackhi_epi16(a, b), load(w + 16)));
    }
    _mm256_store_si256((__m256i *)sum, _mm256_permute2x128_si256(low, high, 0x20));
    _mm256_store_si256((__m256i *)(sum + 8), _mm256_permute2x128_si256(low, high, 0x31));
}

DWCONV16_ROW(avx2)
