/* gemm without dot products: 4 rows by 16 columns, both operands widened to 16 bits, smlal by lane; every weight is allowed. */
#include <arm_neon.h>

#include "gemm/rows.h"

/* One step of k for all rows: lane `lane` of each row's 8 inputs with 16 weights. */
#define STEP(lane)                                                                                                          \
    {                                                                                                                       \
        const int8x16_t w = vld1q_s8(b + 16 * lane);                                                                        \
        const int16x8_t low = vmovl_s8(vget_low_s8(w)), high = vmovl_high_s8(w);                                            \
        for (int i = 0; i < rows; i++) {                                                                                    \
            c[i][0] = vmlal_laneq_s16(c[i][0], vget_low_s16(low), v[i], lane);                                              \
            c[i][1] = vmlal_high_laneq_s16(c[i][1], low, v[i], lane);                                                       \
            c[i][2] = vmlal_laneq_s16(c[i][2], vget_low_s16(high), v[i], lane);                                             \
            c[i][3] = vmlal_high_laneq_s16(c[i][3], high, v[i], lane);                                                      \
        }                                                                                                                   \
    }

INLINE void block(int rows, GEMM_TILE) {
    int32x4_t c[4][4];
    for (int i = 0; i < rows; i++)
        for (int h = 0; h < 4; h++) c[i][h] = init ? vld1q_s32(init + 4 * h) : vdupq_n_s32(0);
    for (int64_t s = 0; s < segs; s++)
        for (int64_t q = 0; q < k; q += 8, b += 128) {
            int16x8_t v[4];
            for (int i = 0; i < rows; i++) v[i] = vmovl_s8(vld1_s8(a + i * lda + seg_offset[s] + q));
            STEP(0) STEP(1) STEP(2) STEP(3) STEP(4) STEP(5) STEP(6) STEP(7)
        }
    for (int i = 0; i < rows; i++)
        for (int h = 0; h < 4; h++) vst1q_s32(acc + 16 * i + 4 * h, c[i][h]);
}

GEMM_ROWS(intq_gemm_s8s8_4x16x1_neon, ROWS(4) ROWS(2) ROWS(1))
