/* dense_codes with NEON: products of bytes widen to 16 bits, pairs of them to 32. */
#include <arm_neon.h>

static inline int32x4_t codes_dot(int32x4_t acc, int8x16_t w, int8x16_t v) {
    const int32x4_t low = vpaddlq_s16(vmull_s8(vget_low_s8(w), vget_low_s8(v))), high = vpaddlq_s16(vmull_high_s8(w, v));
    return vaddq_s32(acc, vpaddq_s32(low, high));
}
#include "dense_codes/neon.inc"

CODES_TBL(neon)
CODES_LINEAR(neon)
