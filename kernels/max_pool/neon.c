#include <arm_neon.h>
#include <stddef.h>
#include <stdint.h>

static inline void window_max(const int8_t *x, int64_t rows, int64_t row_stride, int64_t taps, int64_t tap_stride, int64_t n, int8_t lo,
                              int8_t hi, int8_t *y) {
    for (int64_t c = 0; c < n; c += 16) {
        int8x16_t top = vdupq_n_s8(lo);
        for (int64_t r = 0; r < rows; r++)
            for (int64_t t = 0; t < taps; t++) top = vmaxq_s8(top, vld1q_s8(x + r * row_stride + t * tap_stride + c));
        top = vminq_s8(top, vdupq_n_s8(hi));
        if (n - c >= 16) {
            vst1q_s8(y + c, top);
        } else {
            int8_t rest[16];
            vst1q_s8(rest, top);
            __builtin_memcpy(y + c, rest, (size_t)(n - c));
        }
    }
}

#define KERNEL_NAME intq_max_pool_any_neon
#include "max_pool.inc"
