/* Resizing, matrix products and gathering of imported models (SPEC_tflite.md, T22 and T23). */
#include "tfl.h"
#include <string.h>

#define KERNEL(name) void intq_##name##_scalar(const void *params, void *const *io, int64_t begin, int64_t end, uint8_t *scratch)

#define RESIZE(name, type)                                                                          \
    KERNEL(name) {                                                                                  \
        const intq_tfl_resize *p = params;                                                          \
        (void)scratch;                                                                              \
        for (int64_t unit = begin; unit < end; unit++) {                                            \
            const int32_t *line = p->rows + unit % p->oh * 3;                                       \
            const type *image = (const type *)io[0] + unit / p->oh * p->h * p->w * p->c;            \
            const type *top = image + line[0] * p->w * p->c, *low = image + line[1] * p->w * p->c;  \
            const int64_t fy = line[2];                                                             \
            for (int64_t ox = 0; ox < p->ow; ox++) {                                                \
                const int32_t *column = p->cols + ox * 3;                                           \
                const int64_t x0 = column[0] * p->c, x1 = column[1] * p->c, fx = column[2];         \
                type *y = (type *)io[1] + (unit * p->ow + ox) * p->c;                               \
                for (int64_t c = 0; c < p->c; c++) {                                                \
                    const int64_t above = top[x0 + c] * (1024 - fx) + top[x1 + c] * fx;             \
                    const int64_t under = low[x0 + c] * (1024 - fx) + low[x1 + c] * fx;             \
                    const int64_t acc = above * (1024 - fy) + under * fy;                           \
                    y[c] = (type)((acc + (acc > 0 ? 1 << 19 : -(1 << 19))) / (1 << 20));            \
                }                                                                                   \
            }                                                                                       \
        }                                                                                           \
    }
RESIZE(tfl_resize_bilinear_s8, int8_t)
RESIZE(tfl_resize_bilinear_s16, int16_t)

#define MATMUL(name, type, wide, rescale)                                                                              \
    KERNEL(name) {                                                                                                     \
        const intq_tfl_matmul *p = params;                                                                             \
        (void)scratch;                                                                                                 \
        for (int64_t unit = begin; unit < end; unit++) {                                                               \
            const int64_t row = unit % p->rows;                                                                        \
            int64_t rest = unit / p->rows, from_a = 0, from_b = 0;                                                     \
            for (int d = 3; d >= 0; d--) {                                                                             \
                from_a += rest % p->batch[d] * p->stride_a[d];                                                         \
                from_b += rest % p->batch[d] * p->stride_b[d];                                                         \
                rest /= p->batch[d];                                                                                   \
            }                                                                                                          \
            const type *a = (const type *)io[0] + from_a + (p->adj_a ? row : row * p->depth);                          \
            const int64_t a_step = p->adj_a ? p->rows : 1, b_step = p->adj_b ? 1 : p->cols;                            \
            type *y = (type *)io[2] + unit * p->cols;                                                                  \
            for (int64_t col = 0; col < p->cols; col++) {                                                              \
                int64_t at = from_b + (p->adj_b ? col * p->depth : col);                                               \
                wide acc = 0;                                                                                          \
                for (int64_t k = 0; k < p->depth; k++, at += b_step) {                                                 \
                    const int32_t b = p->b_size == 1 ? ((const int8_t *)io[1])[at] : ((const int16_t *)io[1])[at];     \
                    acc += (wide)(a[k * a_step] - p->a_zero_point) * (b - p->b_zero_point);                            \
                }                                                                                                      \
                y[col] = (type)tfl_clamp((int64_t)rescale(acc, p->multiplier, p->shift) + p->y_zero_point, p->lo, p->hi); \
            }                                                                                                          \
        }                                                                                                              \
    }
MATMUL(tfl_batch_matmul_s8, int8_t, int32_t, tfl_scale31)
MATMUL(tfl_batch_matmul_s16, int16_t, int64_t, tfl_scale15)

KERNEL(tfl_gather_any) {
    const intq_tfl_gather *p = params;
    (void)scratch;
    for (int64_t unit = begin; unit < end; unit++) {
        const int32_t *index = (const int32_t *)io[1] + unit / p->outer * p->count;
        const uint8_t *x = (const uint8_t *)io[0] + unit * p->axis * p->inner_bytes;
        uint8_t *y = (uint8_t *)io[2] + unit * p->count * p->inner_bytes;
        for (int64_t i = 0; i < p->count; i++)
            memcpy(y + i * p->inner_bytes, x + tfl_clamp(index[i], 0, p->axis - 1) * p->inner_bytes, (size_t)p->inner_bytes);
    }
}
