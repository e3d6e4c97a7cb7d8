/* Softmax, its logarithm and L2 normalization of imported models, row by row (SPEC_tflite.md, T18 to T21). */
#include "tfl.h"

#define KERNEL(name) void intq_##name##_scalar(const void *params, void *const *io, int64_t begin, int64_t end, uint8_t *scratch)

static int32_t largest8(const int8_t *x, int64_t n) {
    int32_t top = x[0];
    for (int64_t i = 1; i < n; i++) top = x[i] > top ? x[i] : top;
    return top;
}

#define SOFTMAX(name, type, bits, least, most)                                                        \
    KERNEL(name) {                                                                                    \
        const intq_tfl_rows *p = params;                                                              \
        (void)scratch;                                                                                \
        for (int64_t row = begin; row < end; row++) {                                                 \
            const int8_t *x = (const int8_t *)io[0] + row * p->cols;                                  \
            type *y = (type *)io[1] + row * p->cols;                                                  \
            const int32_t top = largest8(x, p->cols);                                                 \
            int32_t total = 0, over;                                                                  \
            for (int64_t i = 0; i < p->cols; i++) total += tfl_shift_right(p->table[top - x[i]], 12); \
            const int32_t scale = tfl_reciprocal(total, 12, &over), by = over + 31 - bits;            \
            for (int64_t i = 0; i < p->cols; i++) {                                                   \
                const int32_t share = tfl_high_mul(scale, p->table[top - x[i]]);                      \
                const int32_t v = by > 31 ? 0 : tfl_shift_right(share, by);                           \
                y[i] = (type)tfl_clamp((int64_t)v + least, least, most);                              \
            }                                                                                         \
        }                                                                                             \
    }
SOFTMAX(tfl_softmax_s8, int8_t, 8, INT8_MIN, INT8_MAX)
SOFTMAX(tfl_softmax_s16, int16_t, 16, INT16_MIN, INT16_MAX)

KERNEL(tfl_softmax_wide) {
    const intq_tfl_rows *p = params;
    (void)scratch;
    for (int64_t row = begin; row < end; row++) {
        const int16_t *x = (const int16_t *)io[0] + row * p->cols;
        int16_t *y = (int16_t *)io[1] + row * p->cols;
        int32_t top = x[0], total = 0;
        for (int64_t i = 1; i < p->cols; i++) top = x[i] > top ? x[i] : top;
        for (int64_t i = 0; i < p->cols; i++) total += p->table16[top - x[i]];
        const int32_t zeros = __builtin_clz((uint32_t)total), right = 31 - zeros;
        const int32_t shifted = (int32_t)((((int64_t)total << (zeros - 1)) + (1 << 13)) >> 14);
        const int32_t position = tfl_clamp(shifted - (1 << 15) - (1 << 16), INT16_MIN, INT16_MAX);
        const int16_t *sample = p->second16 + 256 + (position >> 7);
        const int16_t scale = (int16_t)(sample[0] + (((int16_t)(sample[1] - sample[0]) * (position & 127) + 64) >> 7));
        for (int64_t i = 0; i < p->cols; i++) {
            const int64_t v = (int64_t)p->table16[top - x[i]] * scale;
            y[i] = (int16_t)tfl_clamp((v + (right > 0 ? INT64_C(1) << (right - 1) : 0)) >> right, 0, INT16_MAX);
        }
    }
}

KERNEL(tfl_log_softmax_s8) {
    const intq_tfl_rows *p = params;
    (void)scratch;
    for (int64_t row = begin; row < end; row++) {
        const int8_t *x = (const int8_t *)io[0] + row * p->cols;
        int8_t *y = (int8_t *)io[1] + row * p->cols;
        const int32_t top = largest8(x, p->cols);
        int32_t total = 0;
        for (int64_t i = 0; i < p->cols; i++) total += tfl_shift_right(p->table[top - x[i]], 12);
        const int32_t log = tfl_log(total), far = tfl_scale31((int32_t)((uint32_t)log + (1u << 31)), p->multiplier, p->shift);
        const int32_t lowest = far > -p->radius - 1 ? far : -p->radius - 1;
        for (int64_t i = 0; i < p->cols; i++) {
            const int32_t d = top - x[i];
            const int32_t v = tfl_shift_right((int32_t)((uint32_t)p->second[d] - (uint32_t)log), 22) + 127;
            y[i] = (int8_t)(-d > lowest ? tfl_clamp(v, INT8_MIN, INT8_MAX) : INT8_MIN);
        }
    }
}

KERNEL(tfl_l2_normalization_s8) {
    const intq_tfl_rows *p = params;
    (void)scratch;
    for (int64_t row = begin; row < end; row++) {
        const int8_t *x = (const int8_t *)io[0] + row * p->cols;
        int8_t *y = (int8_t *)io[1] + row * p->cols;
        int32_t acc = 0, shift;
        for (int64_t i = 0; i < p->cols; i++) acc += (x[i] - p->x_zero_point) * (x[i] - p->x_zero_point);
        const int32_t multiplier = tfl_inverse_sqrt(acc, &shift);
        for (int64_t i = 0; i < p->cols; i++) {
            const int32_t d = x[i] - p->x_zero_point;
            const int32_t v = p->early ? tfl_scale31(128 * d, multiplier, -shift) : tfl_scale31(d, multiplier, 7 - shift);
            y[i] = (int8_t)tfl_clamp(v, INT8_MIN, INT8_MAX);
        }
    }
}
