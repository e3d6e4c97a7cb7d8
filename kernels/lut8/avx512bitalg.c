/* lut8: two lookups in 128 bytes each, then a choice by the top bit. */
#include <immintrin.h>
#include <stdint.h>

#include "kernels.h"

static inline __m512i lookup(__m512i x, const __m512i *t) {
    const __m512i low = _mm512_permutex2var_epi8(t[0], x, t[1]), high = _mm512_permutex2var_epi8(t[2], x, t[3]);
    return _mm512_mask_blend_epi8(_mm512_movepi8_mask(x), low, high);
}

void intq_lut8_any_avx512bitalg(const void *params, void *const *io, int64_t begin, int64_t end, uint8_t *scratch) {
    const intq_lut8 *p = params;
    const int64_t stop = end * 4096 < p->count ? end * 4096 : p->count;
    const uint8_t *x = io[0];
    uint8_t *y = io[1];
    __m512i t[4];
    for (int i = 0; i < 4; i++) t[i] = _mm512_loadu_si512(p->table + 64 * i);
    (void)scratch;
    int64_t i = begin * 4096;
    for (; i + 64 <= stop; i += 64) _mm512_storeu_si512(y + i, lookup(_mm512_loadu_si512(x + i), t));
    if (i < stop) _mm512_mask_storeu_epi8(y + i, ((__mmask64)1 << (stop - i)) - 1, lookup(_mm512_loadu_si512(x + i), t));
}
