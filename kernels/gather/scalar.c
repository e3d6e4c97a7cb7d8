/* gather: whole runs chosen by index, for nearest-neighbour resizing (SPEC 8). */
#include <stdint.h>
#include <string.h>

#include "kernels.h"

void intq_gather_any_scalar(const void *params, void *const *io, int64_t begin, int64_t end, uint8_t *scratch) {
    const intq_gather *p = params;
    const int64_t run = p->inner_bytes;
    (void)scratch;
    for (int64_t unit = begin; unit < end; unit++) {
        const int64_t o = unit / p->n_index, i = unit % p->n_index;
        memcpy((uint8_t *)io[1] + unit * run, (const uint8_t *)io[0] + (o * p->x_axis + p->index[i]) * run, (size_t)run);
    }
}
