/* planes_pack: a bit at a time. */
#include "planes_pack/planes_pack.h"

static inline void pack64(const intq_planes_pack *p, const int8_t *x, uint64_t valid, uint8_t *y) {
    for (int m = 0; m < p->bits; m++) {
        uint64_t bits = 0;
        for (int i = 0; i < 64 && valid >> i & 1; i++) bits |= (uint64_t)((uint8_t)(x[i] - p->low) >> m & 1) << i;
        *(uint64_t *)(y + m * p->plane) = bits;
    }
}

PLANES_PACK(scalar)
