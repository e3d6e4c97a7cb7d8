/* fill: a constant border or tensor (SPEC 8). */
#include <stdint.h>

#include "decl.h"

void intq_fill_any_scalar(const void *params, void *const *io, int64_t begin, int64_t end, uint8_t *scratch) {
    const intq_fill *p = params;
    const int64_t stop = end * 4096 < p->count ? end * 4096 : p->count;
    (void)scratch;
    for (int64_t i = begin * 4096; i < stop; i++) switch (p->element_size) {
            case 1: ((int8_t *)io[0])[i] = (int8_t)p->value; break;
            case 2: ((int16_t *)io[0])[i] = (int16_t)p->value; break;
            default: ((int32_t *)io[0])[i] = p->value; break;
        }
}
