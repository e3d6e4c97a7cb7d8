/* lut8_channels: 64 channels at a time, a lookup for each table that some of them have, stored where they have it. Rows of fewer channels
 * that fill a vector are taken together. */
#include <immintrin.h>
#include <stdint.h>

#include "kernels.h"

static inline __m512i lookup(__m512i x, const __m512i *t) {
    const __m512i low = _mm512_permutex2var_epi8(t[0], x, t[1]), high = _mm512_permutex2var_epi8(t[2], x, t[3]);
    return _mm512_mask_blend_epi8(_mm512_movepi8_mask(x), low, high);
}

static inline void load(__m512i *t, const uint8_t *table) {
    for (int i = 0; i < 4; i++) t[i] = _mm512_loadu_si512(table + 64 * i);
}

void intq_lut8_channels_any_avx512bitalg(const void *params, void *const *io, int64_t begin, int64_t end, uint8_t *scratch) {
    const intq_lut8_channels *p = params;
    const int64_t stop = end * 64 < p->rows ? end * 64 : p->rows, channels = p->channels;
    const int64_t together = 64 % channels == 0 ? 64 / channels : 1, width = channels * together;
    (void)scratch;
    for (int64_t c = 0; c < width; c += 64) {
        const int64_t count = width - c < 64 ? width - c : 64;
        const __mmask64 inside = ~(__mmask64)0 >> (64 - count);
        __mmask64 masks[64];
        int32_t found[64], tables = 0;
        for (int64_t i = 0; i < count; i++) {
            const int32_t table = p->which[(c + i) % channels];
            int32_t k = 0;
            while (k < tables && found[k] != table) k++;
            if (k == tables) found[tables++] = table, masks[k] = 0;
            masks[k] |= (__mmask64)1 << i;
        }
        const uint8_t *x = (const uint8_t *)io[0] + c;
        uint8_t *y = (uint8_t *)io[1] + c;
        __m512i t[4], u[4];
        load(t, p->tables + 256 * (int64_t)found[0]);
        load(u, p->tables + 256 * (int64_t)found[tables > 1]);
        for (int64_t r = begin * 64; r < stop; r += together) { /* two tables stay in registers */
            const __mmask64 here = r + together <= stop ? inside : ~(__mmask64)0 >> (64 - (stop - r) * channels);
            const __m512i v = _mm512_maskz_loadu_epi8(here, x + r * channels);
            __m512i result = lookup(v, t);
            if (tables > 1) result = _mm512_mask_mov_epi8(result, masks[1], lookup(v, u));
            for (int32_t k = 2; k < tables; k++) {
                __m512i w[4];
                load(w, p->tables + 256 * (int64_t)found[k]);
                result = _mm512_mask_mov_epi8(result, masks[k], lookup(v, w));
            }
            _mm512_mask_storeu_epi8(y + r * channels, here, result);
        }
    }
}
