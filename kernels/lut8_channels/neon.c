/* lut8_channels: 16 channels at a time where they have one table or two, byte by byte where they have more. */
#include <arm_neon.h>
#include <stdint.h>

#include "kernels.h"

static inline uint8x16_t lookup(uint8x16_t v, const uint8_t *table) {
    const uint8x16_t by = vdupq_n_u8(64);
    uint8x16_t q = vqtbl4q_u8(vld1q_u8_x4(table), v);
    q = vqtbx4q_u8(q, vld1q_u8_x4(table + 64), v = vsubq_u8(v, by));
    q = vqtbx4q_u8(q, vld1q_u8_x4(table + 128), v = vsubq_u8(v, by));
    return vqtbx4q_u8(q, vld1q_u8_x4(table + 192), vsubq_u8(v, by));
}

void intq_lut8_channels_any_neon(const void *params, void *const *io, int64_t begin, int64_t end, uint8_t *scratch) {
    const intq_lut8_channels *p = params;
    const int64_t stop = end * 64 < p->rows ? end * 64 : p->rows, channels = p->channels;
    (void)scratch;
    for (int64_t c = 0; c < channels; c += 16) {
        const int64_t count = channels - c < 16 ? channels - c : 16;
        const int32_t *which = p->which + c, first = which[0];
        int32_t other = first, more = 0;
        uint8_t choice[16] = {0};
        for (int64_t i = 0; i < count; i++) {
            if (which[i] == first) continue;
            if (other == first) other = which[i];
            more |= which[i] != other;
            choice[i] = 255;
        }
        const uint8_t *x = (const uint8_t *)io[0] + c, *t = p->tables + 256 * (int64_t)first, *u = p->tables + 256 * (int64_t)other;
        uint8_t *y = (uint8_t *)io[1] + c;
        const uint8x16_t second = vld1q_u8(choice);
        if (count < 16 || more) {
            for (int64_t r = begin * 64; r < stop; r++)
                for (int64_t i = 0; i < count; i++) y[r * channels + i] = p->tables[256 * (int64_t)which[i] + x[r * channels + i]];
        } else {
            for (int64_t r = begin * 64; r < stop; r++) {
                const uint8x16_t v = vld1q_u8(x + r * channels);
                uint8x16_t q = lookup(v, t);
                if (other != first) q = vbslq_u8(second, lookup(v, u), q);
                vst1q_u8(y + r * channels, q);
            }
        }
    }
}
