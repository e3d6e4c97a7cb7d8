/* lut8 by table lookups: four of 64 bytes each, an index beyond a table leaves the byte alone. */
#include <arm_neon.h>
#include <stdint.h>

#include "kernels.h"

void intq_lut8_any_neon(const void *params, void *const *io, int64_t begin, int64_t end, uint8_t *scratch) {
    const intq_lut8 *p = params;
    const int64_t stop = end * 4096 < p->count ? end * 4096 : p->count;
    const uint8_t *x = io[0];
    uint8_t *y = io[1];
    const uint8x16x4_t t0 = vld1q_u8_x4(p->table), t1 = vld1q_u8_x4(p->table + 64);
    const uint8x16x4_t t2 = vld1q_u8_x4(p->table + 128), t3 = vld1q_u8_x4(p->table + 192);
    const uint8x16_t by = vdupq_n_u8(64);
    int64_t i = begin * 4096;
    (void)scratch;
    for (; i + 16 <= stop; i += 16) {
        uint8x16_t v = vld1q_u8(x + i), q = vqtbl4q_u8(t0, v);
        q = vqtbx4q_u8(q, t1, v = vsubq_u8(v, by));
        q = vqtbx4q_u8(q, t2, v = vsubq_u8(v, by));
        q = vqtbx4q_u8(q, t3, vsubq_u8(v, by));
        vst1q_u8(y + i, q);
    }
    for (; i < stop; i++) y[i] = p->table[x[i]];
}
