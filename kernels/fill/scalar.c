/* fill: a constant border or tensor (SPEC 8). */
#include <stdint.h>
#include <string.h>

#include "kernels.h"

void intq_fill_any_scalar(const void *params, void *const *io, int64_t begin, int64_t end, uint8_t *scratch) {
    const intq_fill *p = params;
    const int64_t first = begin * 4096, stop = end * 4096 < p->count ? end * 4096 : p->count;
    (void)scratch;
    switch (p->element_size) {
        case 1: memset((int8_t *)io[0] + first, p->value, (size_t)(stop - first)); break;
        case 2:
            for (int64_t i = first; i < stop; i++) ((int16_t *)io[0])[i] = (int16_t)p->value;
            break;
        default:
            for (int64_t i = first; i < stop; i++) ((int32_t *)io[0])[i] = p->value;
    }
}
