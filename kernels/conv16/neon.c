/* conv16 with smlal: 4 rows by 16 columns; the pairs of weights are taken apart as they are loaded. */
#include "conv16/requant_neon.h"
#include "gemm/rows.h"

INLINE void block(int rows, GEMM_TILE) {
    int32x4_t c[4][4];
    for (int v = 0; v < 4; v++)
#pragma GCC unroll 4
        for (int i = 0; i < rows; i++) c[i][v] = init ? vld1q_s32(init + 4 * v) : vdupq_n_s32(0);
    for (int64_t s = 0; s < segs; s++) {
        const int8_t *p = a + seg_offset[s];
        for (int64_t q = 0; q < k; q += 4, b += 64, p += 4) {
            const int16x8x2_t w0 = vld2q_s16((const int16_t *)b), w1 = vld2q_s16((const int16_t *)b + 16);
#pragma GCC unroll 4
            for (int i = 0; i < rows; i++) {
                int16_t x[2];
                memcpy(x, p + i * lda, sizeof x);
#pragma GCC unroll 2
                for (int j = 0; j < 2; j++) {
                    c[i][0] = vmlal_n_s16(c[i][0], vget_low_s16(w0.val[j]), x[j]);
                    c[i][1] = vmlal_high_n_s16(c[i][1], w0.val[j], x[j]);
                    c[i][2] = vmlal_n_s16(c[i][2], vget_low_s16(w1.val[j]), x[j]);
                    c[i][3] = vmlal_high_n_s16(c[i][3], w1.val[j], x[j]);
                }
            }
        }
    }
#pragma GCC unroll 4
    for (int i = 0; i < rows; i++)
        for (int v = 0; v < 4; v++) vst1q_s32(acc + 16 * i + 4 * v, c[i][v]);
}
static GEMM_ROWS(gemm, ROWS(4) ROWS(2) ROWS(1))

#define CONV16_GEMM gemm
#define CONV16_COLUMNS 16
#define CONV16_FLAGS 0
#include "conv16/conv16.inc"

CONV16_ROW(neon)
