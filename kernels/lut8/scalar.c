/* lut8: any function of one 8-bit input, as its table (SPEC 7). */
#include <stdint.h>

#include "kernels.h"

void intq_lut8_any_scalar(const void *params, void *const *io, int64_t begin, int64_t end, uint8_t *scratch) {
    const intq_lut8 *p = params;
    const int64_t stop = end * 4096 < p->count ? end * 4096 : p->count;
    const uint8_t *x = io[0], *restrict table = p->table;
    uint8_t *y = io[1];
    (void)scratch;
    for (int64_t i = begin * 4096; i < stop; i++) y[i] = table[x[i]];
}
