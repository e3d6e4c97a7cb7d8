/* Tables, rescaling and two-input arithmetic of imported models (SPEC_tflite.md, T2 to T10). One loop per type, written once by a macro. */
#include "tfl.h"
#include <string.h>

#define KERNEL(name) void intq_##name##_scalar(const void *params, void *const *io, int64_t begin, int64_t end, uint8_t *scratch)

static int32_t load(const void *x, int64_t i, int32_t size) {
    return size == 1 ? ((const int8_t *)x)[i] : size == 2 ? ((const int16_t *)x)[i] : ((const int32_t *)x)[i];
}
static void store(void *y, int64_t i, int32_t size, int32_t v) {
    if (size == 1) ((int8_t *)y)[i] = (int8_t)v;
    else if (size == 2) ((int16_t *)y)[i] = (int16_t)v;
    else ((int32_t *)y)[i] = v;
}

/* Sizes are constants at every call. */
static inline __attribute__((always_inline)) void look_up(const intq_tfl_lut *p, void *const *io, int64_t from, int64_t to, int x_size, int y_size) {
    for (int64_t i = from; i < to; i++) {
        const int64_t at = x_size == 1 ? ((const uint8_t *)io[0])[i] : ((const uint16_t *)io[0])[i];
        memcpy((uint8_t *)io[1] + i * y_size, p->table + at * y_size, (size_t)y_size);
    }
}
KERNEL(tfl_lut_any) {
    const intq_tfl_lut *p = params;
    const int64_t from = begin * 4096, to = end * 4096 < p->count ? end * 4096 : p->count;
    (void)scratch;
    if (p->x_size == 1 && p->y_size == 2) look_up(p, io, from, to, 1, 2);
    else if (p->x_size == 2 && p->y_size == 2) look_up(p, io, from, to, 2, 2);
    else look_up(p, io, from, to, p->x_size, p->y_size);
}

KERNEL(tfl_rescale_any) {
    const intq_tfl_rescale *p = params;
    const int64_t stop = end * 4096 < p->count ? end * 4096 : p->count;
    (void)scratch;
    for (int64_t i = begin * 4096; i < stop; i++) {
        const int32_t d = (int32_t)((uint32_t)load(io[0], i, p->x_size) - (uint32_t)p->x_zero_point);
        const int64_t v = (int64_t)tfl_scale31(d, p->multiplier, p->shift) + p->y_zero_point;
        store(io[1], i, p->y_size, tfl_clamp(v, p->lo, p->hi));
    }
}

KERNEL(tfl_cast_any) {
    const intq_tfl_rescale *p = params;
    const int64_t stop = end * 4096 < p->count ? end * 4096 : p->count;
    (void)scratch;
    for (int64_t i = begin * 4096; i < stop; i++) {
        if (p->y_size == 8) {
            ((int64_t *)io[1])[i] = (int64_t)((const int32_t *)io[0])[i] - p->y_zero_point;
            continue;
        }
        const uint32_t v = (uint32_t)((const int32_t *)io[0])[i] & (p->y_size == 1 ? 0xFFu : 0xFFFFu);
        store(io[1], i, p->y_size, (int32_t)v - p->y_zero_point);
    }
}

/* BINARY(name, type of a and y, type of b, result of `a` and `b` as int64) */
#define BINARY(name, type, type_b, expression)                                                            \
    KERNEL(name) {                                                                                        \
        const intq_tfl_binary *p = params;                                                                \
        const int64_t n = p->shape.dims[INTQ_MAX_DIMS - 1];                                               \
        const int64_t sa = p->shape.stride_a[INTQ_MAX_DIMS - 1], sb = p->shape.stride_b[INTQ_MAX_DIMS - 1]; \
        (void)scratch;                                                                                    \
        intq_walk at = intq_walk_from(&p->shape, begin);                                                  \
        for (int64_t unit = begin; unit < end; unit++, intq_walk_on(&p->shape, &at)) {                    \
            const type *xa = (const type *)io[0] + at.a;                                                  \
            const type_b *xb = (const type_b *)io[1] + at.b;                                              \
            type *y = (type *)io[2] + unit * n;                                                           \
            for (int64_t i = 0; i < n; i++) {                                                             \
                const int32_t a = xa[i * sa], b = xb[i * sb];                                             \
                y[i] = (type)tfl_clamp(expression, p->lo, p->hi);                                         \
            }                                                                                             \
        }                                                                                                 \
    }

static inline int64_t sum(const intq_tfl_binary *p, int32_t a, int32_t b) {
    const int32_t x = tfl_scale31(tfl_left(a - p->a_zero_point, p->left), p->m1, p->s1);
    const int32_t y = tfl_scale31(tfl_left(b - p->b_zero_point, p->left), p->m2, p->s2);
    return (int64_t)tfl_scale31(x + p->sign * y, p->multiplier, p->shift) + p->y_zero_point;
}
BINARY(tfl_add_s8, int8_t, int8_t, sum(p, a, b))
BINARY(tfl_add_s16, int16_t, int16_t, sum(p, a, b))

static inline int64_t shifted_sum(const intq_tfl_binary *p, int32_t a, int32_t b) {
    return tfl_clamp(tfl_shift_right(a, p->s1) + p->sign * tfl_shift_right(b, p->s2), INT16_MIN, INT16_MAX);
}
BINARY(tfl_add_pot_s16, int16_t, int16_t, shifted_sum(p, a, b))

static inline int64_t product(const intq_tfl_binary *p, int32_t a, int32_t b) {
    const int32_t acc = (int32_t)((int64_t)(a - p->a_zero_point) * (b - p->b_zero_point));
    return (int64_t)tfl_scale31(acc, p->multiplier, p->shift) + p->y_zero_point;
}
BINARY(tfl_mul_s16, int16_t, int16_t, product(p, a, b))

static inline int64_t squared(const intq_tfl_binary *p, int32_t a, int32_t b) {
    const int32_t d = tfl_scale31(tfl_left(a - p->a_zero_point, 7), p->m1, p->s1) - tfl_scale31(tfl_left(b - p->b_zero_point, 7), p->m2, p->s2);
    return (int64_t)tfl_scale31((int32_t)((int64_t)d * d), p->multiplier, p->shift) + p->y_zero_point;
}
BINARY(tfl_squared_difference_s8, int8_t, int8_t, squared(p, a, b))

static inline int64_t prelu(const intq_tfl_binary *p, int32_t a, int32_t b) {
    const int32_t x = a - p->a_zero_point;
    return (int64_t)(x >= 0 ? tfl_scale31(x, p->m1, p->s1) : tfl_scale31(x * (b - p->b_zero_point), p->m2, p->s2)) + p->y_zero_point;
}
BINARY(tfl_prelu_s8, int8_t, int8_t, prelu(p, a, b))
BINARY(tfl_prelu_s16, int16_t, int8_t, prelu(p, a, b))

static inline int64_t integer(const intq_tfl_binary *p, int32_t a, int32_t b) {
    const uint32_t u = (uint32_t)a, v = (uint32_t)b;
    switch (p->kind) {
    case 0: return (int32_t)(u + v);
    case 1: return (int32_t)(u - v);
    case 2: return (int32_t)(u * v);
    case 3: return (int32_t)((u - v) * (u - v));
    case 4: return a > b ? a : b;
    default: return a < b ? a : b;
    }
}
BINARY(tfl_integer_s8, int8_t, int8_t, integer(p, a, b))
BINARY(tfl_integer_s16, int16_t, int16_t, integer(p, a, b))
BINARY(tfl_integer_s32, int32_t, int32_t, integer(p, a, b))
