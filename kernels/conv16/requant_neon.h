/* requant16 four by four; in plain C where sums with their bias do not fit int32. */
#include <arm_neon.h>
#include <string.h>

#include "conv16/requant16.h"

/* Half of four: the products of two lanes, rounded. */
static inline int64x2_t rounded(int64x2_t product, int32x2_t shift) {
    const int64x2_t by = vmovl_s32(shift), half = vshlq_s64(vdupq_n_s64(1), vsubq_s64(by, vdupq_n_s64(1)));
    return vshlq_s64(vaddq_s64(product, half), vnegq_s64(by));
}

static inline void requant16(const intq_requant16 *q, int64_t channel, int64_t m, int64_t n, const int32_t *sum, int64_t ldacc, int16_t *y, int64_t ldo) {
    const int32x4_t least = vdupq_n_s32(q->least), most = vdupq_n_s32(q->most), zero_point = vdupq_n_s32(q->zero_point);
    for (int64_t j = 0; j < n && q->bias32; j += 4) {
        const int64_t o = channel + j;
        const int32x4_t bias = vld1q_s32(q->bias32 + o), multiplier = vld1q_s32(q->multiplier + o), shift = vld1q_s32(q->shift + o);
        for (int64_t i = 0; i < m; i++) {
            const int32x4_t v = vaddq_s32(vld1q_s32(sum + i * ldacc + j), bias);
            const int64x2_t low = rounded(vmull_s32(vget_low_s32(v), vget_low_s32(multiplier)), vget_low_s32(shift));
            const int64x2_t high = rounded(vmull_high_s32(v, multiplier), vget_high_s32(shift));
            const int32x4_t whole = vcombine_s32(vmovn_s64(low), vmovn_s64(high));
            const int16x4_t out = vmovn_s32(vaddq_s32(vminq_s32(vmaxq_s32(whole, least), most), zero_point));
            memcpy(y + i * ldo + j, &out, (size_t)(n - j < 4 ? 2 * (n - j) : 8));
        }
    }
    for (int64_t i = 0; i < m && !q->bias32; i++) requant16_plain(q, channel, n, sum + i * ldacc, y + i * ldo);
}
