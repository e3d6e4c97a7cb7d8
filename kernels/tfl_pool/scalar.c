/* Pooling, reductions and positions of extrema of imported models (SPEC_tflite.md, T11 and T12). */
#include "tfl.h"

#define KERNEL(name) void intq_##name##_scalar(const void *params, void *const *io, int64_t begin, int64_t end, uint8_t *scratch)

/* The rows and columns of the input that one output sees. */
typedef struct {
    int64_t y0, y1, x0, x1;
} region;

static region seen(const intq_tfl_pool *p, int64_t oy, int64_t ox) {
    const int64_t top = oy * p->stride_h - p->pad_top, left = ox * p->stride_w - p->pad_left;
    return (region){top > 0 ? top : 0, top + p->kh < p->h ? top + p->kh : p->h, left > 0 ? left : 0, left + p->kw < p->w ? left + p->kw : p->w};
}

/* Sums over the window, a chunk of channels at a time, then the mean with ties away from zero. */
#define AVERAGE(name, type)                                                                                    \
    KERNEL(name) {                                                                                             \
        const intq_tfl_pool *p = params;                                                                       \
        int32_t *acc = (int32_t *)scratch;                                                                     \
        for (int64_t unit = begin; unit < end; unit++) {                                                       \
            const type *image = (const type *)io[0] + unit / p->oh * p->h * p->w * p->c;                       \
            for (int64_t ox = 0; ox < p->ow; ox++) {                                                           \
                const region r = seen(p, unit % p->oh, ox);                                                    \
                const int32_t count = (int32_t)((r.y1 - r.y0) * (r.x1 - r.x0)), half = count / 2;              \
                type *out = (type *)io[1] + (unit * p->ow + ox) * p->c;                                        \
                for (int64_t c0 = 0; c0 < p->c; c0 += INTQ_CHUNK) {                                            \
                    const int64_t n = p->c - c0 < INTQ_CHUNK ? p->c - c0 : INTQ_CHUNK;                         \
                    for (int64_t c = 0; c < n; c++) acc[c] = count * p->x_zero_point;                          \
                    for (int64_t y = r.y0; y < r.y1; y++)                                                      \
                        for (int64_t x = r.x0; x < r.x1; x++) {                                                \
                            const type *v = image + (y * p->w + x) * p->c + c0;                                \
                            for (int64_t c = 0; c < n; c++) acc[c] += v[c];                                    \
                        }                                                                                      \
                    for (int64_t c = 0; c < n; c++) {                                                          \
                        const int32_t mean = (acc[c] + (acc[c] > 0 ? half : -half)) / count;                   \
                        out[c0 + c] = (type)tfl_clamp(mean - p->x_zero_point, p->lo, p->hi);                   \
                    }                                                                                          \
                }                                                                                              \
            }                                                                                                  \
        }                                                                                                      \
    }
AVERAGE(tfl_avg_pool_s8, int8_t)
AVERAGE(tfl_avg_pool_s16, int16_t)

#define MAXIMUM(name, type)                                                                                    \
    KERNEL(name) {                                                                                             \
        const intq_tfl_pool *p = params;                                                                       \
        (void)scratch;                                                                                         \
        for (int64_t unit = begin; unit < end; unit++) {                                                       \
            const type *image = (const type *)io[0] + unit / p->oh * p->h * p->w * p->c;                       \
            for (int64_t ox = 0; ox < p->ow; ox++) {                                                           \
                const region r = seen(p, unit % p->oh, ox);                                                    \
                type *out = (type *)io[1] + (unit * p->ow + ox) * p->c;                                        \
                for (int64_t c = 0; c < p->c; c++) {                                                           \
                    int32_t best = INT32_MIN;                                                                  \
                    for (int64_t y = r.y0; y < r.y1; y++)                                                      \
                        for (int64_t x = r.x0; x < r.x1; x++) {                                                \
                            const int32_t v = image[(y * p->w + x) * p->c + c];                                \
                            best = v > best ? v : best;                                                        \
                        }                                                                                      \
                    out[c] = (type)tfl_clamp(best, p->lo, p->hi);                                              \
                }                                                                                              \
            }                                                                                                  \
        }                                                                                                      \
    }
MAXIMUM(tfl_max_pool_s8, int8_t)
MAXIMUM(tfl_max_pool_s16, int16_t)

/* Where output `unit` starts in the input. */
static int64_t start(const intq_tfl_reduce *p, int64_t unit) {
    int64_t at = 0;
    for (int d = INTQ_MAX_DIMS - 1; d >= 0; d--) {
        at += unit % p->outer_dims[d] * p->outer_strides[d];
        unit /= p->outer_dims[d];
    }
    return at;
}

/* Runs `body` with v = every element under output `unit`. */
#define EACH(type, body)                                                                                       \
    const type *x = (const type *)io[0] + start(p, unit);                                                      \
    int64_t count = 1;                                                                                         \
    for (int d = 0; d < INTQ_MAX_DIMS; d++) count *= p->inner_dims[d];                                         \
    for (int64_t k = 0; k < count; k++) {                                                                      \
        int64_t rest = k, at = 0;                                                                              \
        for (int d = INTQ_MAX_DIMS - 1; d >= 0 && rest; d--) {                                                 \
            at += rest % p->inner_dims[d] * p->inner_strides[d];                                               \
            rest /= p->inner_dims[d];                                                                          \
        }                                                                                                      \
        const int32_t v = x[at];                                                                               \
        body                                                                                                   \
    }

#define SUM(name, type, bytes)                                                                                 \
    KERNEL(name) {                                                                                             \
        const intq_tfl_reduce *p = params;                                                                     \
        const int32_t unsigned_bytes = bytes && p->as_bytes;                                                   \
        (void)scratch;                                                                                         \
        for (int64_t unit = begin; unit < end; unit++) {                                                       \
            int32_t acc = 0;                                                                                   \
            EACH(type, acc += (unsigned_bytes ? v & 255 : v) - p->x_zero_point;)                               \
            const int64_t y = (int64_t)tfl_scale31(acc, p->multiplier, p->shift) + p->y_zero_point;            \
            ((type *)io[1])[unit] = (type)(unsigned_bytes ? tfl_clamp(y, 0, 255) : tfl_clamp(y, p->lo, p->hi)); \
        }                                                                                                      \
    }
SUM(tfl_sum_s8, int8_t, 1)
SUM(tfl_sum_s16, int16_t, 0)

#define REDUCE(name, type)                                                                                     \
    KERNEL(name) {                                                                                             \
        const intq_tfl_reduce *p = params;                                                                     \
        (void)scratch;                                                                                         \
        for (int64_t unit = begin; unit < end; unit++) {                                                       \
            int32_t best = p->kind ? INT32_MAX : INT32_MIN;                                                    \
            EACH(type, best = (p->kind ? v < best : v > best) ? v : best;)                                     \
            ((type *)io[1])[unit] = (type)best;                                                                \
        }                                                                                                      \
    }
REDUCE(tfl_reduce_s8, int8_t)
REDUCE(tfl_reduce_s16, int16_t)
REDUCE(tfl_reduce_s32, int32_t)

#define ARG(name, type)                                                                                        \
    KERNEL(name) {                                                                                             \
        const intq_tfl_arg *p = params;                                                                        \
        (void)scratch;                                                                                         \
        for (int64_t unit = begin; unit < end; unit++) {                                                       \
            const type *x = (const type *)io[0] + unit / p->inner * p->length * p->inner + unit % p->inner;    \
            int64_t best = 0;                                                                                  \
            for (int64_t k = 1; k < p->length; k++) {                                                          \
                const type v = x[k * p->inner], top = x[best * p->inner];                                      \
                if (p->kind ? v < top : v > top) best = k;                                                     \
            }                                                                                                  \
            ((int32_t *)io[1])[unit] = (int32_t)best;                                                          \
        }                                                                                                      \
    }
ARG(tfl_arg_s8, int8_t)
ARG(tfl_arg_s16, int16_t)
ARG(tfl_arg_s32, int32_t)
