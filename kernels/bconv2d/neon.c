/* bconv2d with NEON: one pixel by 32 channels, bits counted in bytes by cnt, for up to 31 words (at most 8 each) before they widen. */
#include <arm_neon.h>
#include <stdint.h>

enum { DEPTH = 31 };

static inline void bgemm(int64_t rows, int64_t words, const uint8_t *a, int64_t lda, const uint8_t *b, int32_t *acc) {
    for (int64_t i = 0; i < rows; i++, acc += 32) {
        const uint8_t *w = b;
        for (int h = 0; h < 8; h++) vst1q_s32(acc + 4 * h, vdupq_n_s32(0));
        for (int64_t q0 = 0; q0 < words; q0 += DEPTH) {
            const int64_t end = q0 + DEPTH < words ? q0 + DEPTH : words;
            uint8x16_t c[8];
            for (int h = 0; h < 8; h++) c[h] = vdupq_n_u8(0);
            for (int64_t q = q0; q < end; q++, w += 128) {
                uint32_t four;
                __builtin_memcpy(&four, a + i * lda + 4 * q, 4);
                const uint8x16_t v = vreinterpretq_u8_u32(vdupq_n_u32(four));
                for (int h = 0; h < 8; h++) c[h] = vaddq_u8(c[h], vcntq_u8(veorq_u8(v, vld1q_u8(w + 16 * h))));
            }
            for (int h = 0; h < 8; h++)
                vst1q_s32(acc + 4 * h, vaddq_s32(vld1q_s32(acc + 4 * h), vreinterpretq_s32_u32(vpaddlq_u16(vpaddlq_u8(c[h])))));
        }
    }
}

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
