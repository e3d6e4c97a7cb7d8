/* gemm with smmla: 4 rows by 16 columns as 2 x 8 tiles of two rows by two columns, 16 of k at a time and 8 at the end. */
#include <arm_neon.h>

#include "gemm/rows.h"

/* Keeps the order: reordered, GCC copies accumulators from one register to another and back. */
#define KEEP(v) __asm__ volatile("" : "+w"(v))

/* Two columns h with every pair of rows. */
#define TILE(h, half, offset)                                                                                               \
    {                                                                                                                       \
        const int8x16_t w = vld1q_s8(b + (offset));                                                                         \
        for (int i = 0; i < pairs; i++) {                                                                                   \
            c[i][h] = vmmlaq_s32(c[i][h], vreinterpretq_s8_s64(v[i][half]), w);                                             \
            KEEP(c[i][h]);                                                                                                  \
        }                                                                                                                   \
    }

/* `rows` is 4, 2 or 1; the second row of a single one is itself. */
INLINE void block(int rows, GEMM_TILE) {
    const int pairs = (rows + 1) / 2;
    int32x4_t c[2][8];
    for (int i = 0; i < pairs; i++)
        for (int h = 0; h < 8; h++) {
            const int32x2_t two = init ? vld1_s32(init + 2 * h) : vdup_n_s32(0);
            c[i][h] = vcombine_s32(two, two);
        }
    for (int64_t s = 0; s < segs; s++) {
        const int8_t *p = a + seg_offset[s];
        int64_t q = 0;
        for (; q + 16 <= k; q += 16, b += 256) {
            int64x2_t v[2][2]; /* [pair of rows][half of k] */
#pragma GCC unroll 2
            for (int i = 0; i < pairs; i++) {
                const int64x2_t r0 = vreinterpretq_s64_s8(vld1q_s8(p + 2 * i * lda + q));
                const int64x2_t r1 = rows > 1 ? vreinterpretq_s64_s8(vld1q_s8(p + (2 * i + 1) * lda + q)) : r0;
                v[i][0] = vzip1q_s64(r0, r1);
                v[i][1] = vzip2q_s64(r0, r1);
            }
#pragma GCC unroll 8
            for (int h = 0; h < 8; h++) TILE(h, 0, 16 * h)
#pragma GCC unroll 8
            for (int h = 0; h < 8; h++) TILE(h, 1, 128 + 16 * h)
        }
        for (; q < k; q += 8, b += 128) {
            int64x2_t v[2][1];
#pragma GCC unroll 2
            for (int i = 0; i < pairs; i++) {
                const int8_t *row = p + 2 * i * lda + q;
                v[i][0] = vreinterpretq_s64_s8(vcombine_s8(vld1_s8(row), vld1_s8(rows > 1 ? row + lda : row)));
            }
#pragma GCC unroll 8
            for (int h = 0; h < 8; h++) TILE(h, 0, 16 * h)
        }
    }
    for (int i = 0; i < rows; i++)
        for (int h = 0; h < 8; h++) vst1_s32(acc + 16 * i + 2 * h, i % 2 ? vget_high_s32(c[i / 2][h]) : vget_low_s32(c[i / 2][h]));
}

GEMM_ROWS(intq_gemm_s8s8_4x16x8_neon_i8mm, ROWS(4) ROWS(2) ROWS(1))
