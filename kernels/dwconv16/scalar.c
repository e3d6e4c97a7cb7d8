/* dwconv16 in plain C, and the packing that all rows share. */
#include <string.h>

#include "conv16/requant_plain.h"

#define DW16_CHANNELS 16
#define DW16_LANES 0
#include "dwconv16/dwconv16.inc"

static inline void dw16_sums(int32_t *sum, const int16_t *const *x, int64_t pairs, int64_t at, const int16_t *w) {
    for (int j = 0; j < DW16_CHANNELS; j++) sum[j] = 0;
    for (int64_t i = 0; i < pairs; i++, w += 2 * DW16_CHANNELS)
        for (int j = 0; j < DW16_CHANNELS; j++) sum[j] += x[2 * i][at + j] * w[2 * j] + x[2 * i + 1][at + j] * w[2 * j + 1];
}

int64_t intq_dwconv16_prepare(intq_dwconv16 *p, int32_t channels, int32_t lanes, uint8_t *packed) {
    const int64_t taps = (int64_t)p->kh * p->kw, pairs = (taps + 1) / 2, blocks = (p->c + channels - 1) / channels;
    const int64_t weights = blocks * pairs * channels * 2, total = (weights + blocks * channels) * (int64_t)sizeof(int16_t);
    p->units = (int64_t)p->n * p->oh;
    p->scratch_bytes = p->ow * 2 * pairs * (int64_t)sizeof(int16_t *);
    if (!packed) return total;
    int16_t *to = (int16_t *)packed;
    memset(packed, 0, (size_t)total);
    p->packed = to;
    for (int64_t block = 0; block < blocks; block++)
        for (int64_t pair = 0; pair < pairs; pair++)
            for (int64_t place = 0; place < channels; place++)
                for (int64_t i = 0; i < 2; i++, to++) {
                    const int64_t channel = block * channels + dw16_channel(place, channels, lanes), tap = 2 * pair + i;
                    if (channel < p->c && tap < taps) *to = p->weights[tap * p->c + channel];
                }
    return total;
}

DWCONV16_ROW(scalar)
