/* gemm with sdot by lane: 4 rows by 16 columns in 16 accumulators, 16 of k at a time. */
#include <arm_neon.h>

#include "gemm/rows.h"

#define STEP(lane)                                                                  \
    {                                                                               \
        int8x16_t w[4];                                                             \
        for (int h = 0; h < 4; h++) w[h] = vld1q_s8(b + 64 * lane + 16 * h);        \
        for (int i = 0; i < rows; i++)                                              \
            for (int h = 0; h < 4; h++) c[i][h] = vdotq_laneq_s32(c[i][h], w[h], v[i], lane); \
    }

INLINE void block(int rows, GEMM_TILE) {
    int32x4_t c[4][4];
    for (int i = 0; i < rows; i++)
        for (int h = 0; h < 4; h++) c[i][h] = init ? vld1q_s32(init + 4 * h) : vdupq_n_s32(0);
    for (int64_t s = 0; s < segs; s++) {
        int8x16_t v[4];
        int64_t q = 0;
        for (; q + 16 <= k; q += 16, b += 256) {
            for (int i = 0; i < rows; i++) v[i] = vld1q_s8(a + i * lda + seg_offset[s] + q);
            STEP(0) STEP(1) STEP(2) STEP(3)
        }
        for (; q < k; q += 4, b += 64) {
            for (int i = 0; i < rows; i++) {
                int32_t four;
                __builtin_memcpy(&four, a + i * lda + seg_offset[s] + q, 4);
                v[i] = vreinterpretq_s8_s32(vdupq_n_s32(four));
            }
            STEP(0)
        }
    }
    for (int i = 0; i < rows; i++)
        for (int h = 0; h < 4; h++) vst1q_s32(acc + 16 * i + 4 * h, c[i][h]);
}

GEMM_ROWS(intq_gemm_s8s8_4x16x4_neon_dotprod, ROWS(4) ROWS(2) ROWS(1))
