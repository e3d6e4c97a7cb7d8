/* planes_pack: the loops. Each <isa>.c defines pack64(p, x, valid, y): the 64 bits of each plane of the channels x that `valid` names, then PLANES_PACK. */
#ifndef INTQ_PLANES_PACK_H
#define INTQ_PLANES_PACK_H
#include "kernels.h"

#define PLANES_PACK(isa)                                                                                                       \
    void intq_planes_pack_any_##isa(const void *params, void *const *io, int64_t begin, int64_t end, uint8_t *scratch) {       \
        const intq_planes_pack *p = params;                                                                                    \
        (void)scratch;                                                                                                         \
        for (int64_t pixel = begin * p->w; pixel < end * p->w; pixel++) {                                                      \
            const int8_t *x = (const int8_t *)io[0] + pixel * p->c;                                                            \
            uint8_t *y = (uint8_t *)io[1] + pixel * p->bytes;                                                                  \
            for (int64_t i = 0; i < p->c; i += 64)                                                                             \
                pack64(p, x + i, p->c - i >= 64 ? ~UINT64_C(0) : (UINT64_C(1) << (p->c - i)) - 1, y + i / 8);                  \
        }                                                                                                                      \
    }
#endif
