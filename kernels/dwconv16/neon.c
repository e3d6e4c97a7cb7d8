/* dwconv16 with smlal: 16 channels at a time. */
#include "conv16/requant_neon.h"

#define DW16_CHANNELS 16
#define DW16_LANES 0
#include "dwconv16/dwconv16.inc"

static inline void dw16_sums(int32_t *sum, const int16_t *const *x, int64_t pairs, int64_t at, const int16_t *w) {
    int32x4_t s[4] = {vdupq_n_s32(0), vdupq_n_s32(0), vdupq_n_s32(0), vdupq_n_s32(0)};
    for (int64_t i = 0; i < pairs; i++, w += 32)
        for (int h = 0; h < 2; h++) {
            const int16x8x2_t k = vld2q_s16(w + 16 * h);
            for (int tap = 0; tap < 2; tap++) {
                const int16x8_t v = vld1q_s16(x[2 * i + tap] + at + 8 * h);
                s[2 * h] = vmlal_s16(s[2 * h], vget_low_s16(v), vget_low_s16(k.val[tap]));
                s[2 * h + 1] = vmlal_high_s16(s[2 * h + 1], v, k.val[tap]);
            }
        }
    for (int v = 0; v < 4; v++) vst1q_s32(sum + 4 * v, s[v]);
}

DWCONV16_ROW(neon)
