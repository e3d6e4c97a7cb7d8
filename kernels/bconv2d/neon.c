/* bconv2d with NEON. */
#include "vec/bits_neon.h"

static inline uint32_t bits32(const int32_t *acc, const int32_t *threshold, const int32_t *flip) {
    const int32_t place[4] = {0, 1, 2, 3};
    uint32_t bits = 0;
    for (int h = 0; h < 8; h++) {
        const uint32x4_t reached = vshrq_n_u32(vcgeq_s32(vld1q_s32(acc + 4 * h), vld1q_s32(threshold + 4 * h)), 31);
        const uint32x4_t bit = veorq_u32(reached, vreinterpretq_u32_s32(vld1q_s32(flip + 4 * h)));
        bits |= vaddvq_u32(vshlq_u32(bit, vld1q_s32(place))) << (4 * h);
    }
    return bits;
}

#include "bconv2d/bconv2d.inc"

BCONV_ROWS(neon)
