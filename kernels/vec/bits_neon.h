/* Sums of counted bits with NEON: one row by 32 columns, bits counted in bytes by cnt, for up to 31 words (at most 8 each) before they widen. */
#ifndef INTQ_VEC_BITS_NEON_H
#define INTQ_VEC_BITS_NEON_H
#include <arm_neon.h>

#include "vec/bits.h"

enum { BITS_DEPTH = 31 };

static inline void bits_gemm(bits_pairing pairing, int64_t count, const bit_pass *pass, int64_t rows, int64_t words, const uint8_t *a, int64_t lda,
                             const uint8_t *b, const bits_end *end, int32_t *acc) {
    int32_t *const first = acc;
    for (int64_t i = 0; i < rows; i++, acc += 32) {
        for (int h = 0; h < 8; h++) vst1q_s32(acc + 4 * h, vdupq_n_s32(0));
        for (int64_t n = 0; n < count; n++)
            for (int64_t q0 = 0; q0 < words; q0 += BITS_DEPTH) {
                const int64_t stop = q0 + BITS_DEPTH < words ? q0 + BITS_DEPTH : words;
                const uint8_t *row = a + i * lda + pass[n].a, *w = b + pass[n].b + 128 * q0;
                uint8x16_t c[8];
                for (int h = 0; h < 8; h++) c[h] = vdupq_n_u8(0);
                for (int64_t q = q0; q < stop; q++, w += 128) {
                    uint32_t four;
                    __builtin_memcpy(&four, row + 4 * q, 4);
                    const uint8x16_t v = vreinterpretq_u8_u32(vdupq_n_u32(four));
                    for (int h = 0; h < 8; h++) {
                        const uint8x16_t right = vld1q_u8(w + 16 * h);
                        c[h] = vaddq_u8(c[h], vcntq_u8(pairing == BITS_AND ? vandq_u8(v, right) : veorq_u8(v, right)));
                    }
                }
                const int double_it = pass[n].twice && q0 == 0;
                for (int h = 0; h < 8; h++) {
                    const int32x4_t before = vld1q_s32(acc + 4 * h), now = vreinterpretq_s32_u32(vpaddlq_u16(vpaddlq_u8(c[h])));
                    vst1q_s32(acc + 4 * h, vaddq_s32(double_it ? vaddq_s32(before, before) : before, now));
                }
            }
    }
    bits_settle(end, rows, first);
}
#endif
