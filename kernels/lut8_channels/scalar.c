/* lut8_channels: any function of one 8-bit input for each channel, as its table (SPEC 7.3). */
#include <stdint.h>

#include "kernels.h"

void intq_lut8_channels_any_scalar(const void *params, void *const *io, int64_t begin, int64_t end, uint8_t *scratch) {
    const intq_lut8_channels *p = params;
    const int64_t stop = end * 64 < p->rows ? end * 64 : p->rows;
    const int32_t *restrict which = p->which;
    const uint8_t *restrict tables = p->tables;
    (void)scratch;
    for (int64_t r = begin * 64; r < stop; r++) {
        const uint8_t *x = (const uint8_t *)io[0] + r * p->channels;
        uint8_t *y = (uint8_t *)io[1] + r * p->channels;
        for (int32_t c = 0; c < p->channels; c++) y[c] = tables[256 * which[c] + x[c]];
    }
}
