/* dwconv16 with vpdpwssd: 32 channels at a time. */
#ifndef __AVX512VNNI__
#error "compile with the flags of avx512vnni in isa.def"
#endif
#include "conv16/requant512.h"

#define DW16_CHANNELS 32
#define DW16_LANES 4
#include "dwconv16/dwconv16.inc"

static inline void dw16_sums(int32_t *sum, const int16_t *const *x, int64_t pairs, int64_t at, const int16_t *w) {
    __m512i low = _mm512_setzero_si512(), high = low;
    for (int64_t i = 0; i < pairs; i++, w += 64) {
        const __m512i a = _mm512_loadu_si512(x[2 * i] + at), b = _mm512_loadu_si512(x[2 * i + 1] + at);
        low = _mm512_dpwssd_epi32(low, _mm512_unpacklo_epi16(a, b), _mm512_loadu_si512(w));
        high = _mm512_dpwssd_epi32(high, _mm512_unpackhi_epi16(a, b), _mm512_loadu_si512(w + 32));
    }
    const __m512i first = _mm512_setr_epi64(0, 1, 8, 9, 2, 3, 10, 11), second = _mm512_setr_epi64(4, 5, 12, 13, 6, 7, 14, 15);
    _mm512_store_si512(sum, _mm512_permutex2var_epi64(low, first, high));
    _mm512_store_si512(sum + 16, _mm512_permutex2var_epi64(low, second, high));
}

DWCONV16_ROW(avx512vnni)
