/* Products with 64-bit accumulators: 16-bit activations, and float64 rounding emulated in integers (SPEC_tflite.md, T25 and F14). */
#include "tfl.h"

#define KERNEL(name) void intq_##name##_scalar(const void *params, void *const *io, int64_t begin, int64_t end, uint8_t *scratch)

static int32_t bits(unsigned __int128 v) {
    const uint64_t high = (uint64_t)(v >> 64), low = (uint64_t)v;
    return high ? 128 - __builtin_clzll(high) : low ? 64 - __builtin_clzll(low) : 0;
}

/* round(acc * mantissa * 2^exponent), the product first rounded to 53 bits as a float64 multiplication rounds it. */
static int64_t scale_float64(int64_t acc, int64_t mantissa, int32_t exponent) {
    unsigned __int128 p = (unsigned __int128)(acc < 0 ? -(uint64_t)acc : (uint64_t)acc) * (uint64_t)mantissa;
    const int32_t drop = bits(p) - 53;
    if (drop > 0) {
        const unsigned __int128 rest = p & (((unsigned __int128)1 << drop) - 1), half = (unsigned __int128)1 << (drop - 1);
        p >>= drop;
        p += rest > half || (rest == half && (p & 1));
    }
    const int32_t right = -(exponent + (drop > 0 ? drop : 0));
    if (right > 100) return 0;
    if (right > 0) p = (p + ((unsigned __int128)1 << (right - 1))) >> right;
    else if (p) p = -right > 40 ? (unsigned __int128)1 << 40 : p << -right;
    const int64_t v = p > ((unsigned __int128)1 << 40) ? INT64_C(1) << 40 : (int64_t)p;
    return acc < 0 ? -v : v;
}

static int64_t rescale(const intq_tfl_conv2d *p, int64_t acc, int32_t o) {
    if (p->rounding == 0) return tfl_scale15(acc, (int32_t)p->multiplier[o], p->shift[o]);
    if (p->rounding == 1) return tfl_scale31((int32_t)acc, (int32_t)p->multiplier[o], p->shift[o]);
    return scale_float64(acc, p->multiplier[o], p->shift[o]);
}

#define CONVOLUTION(name, type)                                                                                          \
    KERNEL(name) {                                                                                                       \
        const intq_tfl_conv2d *p = params;                                                                               \
        const int32_t depth = p->c / p->groups, filters = p->oc / p->groups;                                             \
        (void)scratch;                                                                                                   \
        for (int64_t unit = begin; unit < end; unit++) {                                                                 \
            const type *image = (const type *)io[0] + unit / p->oh * p->h * p->w * p->c;                                 \
            const int64_t top = unit % p->oh * p->stride_h - p->pad_top;                                                 \
            for (int64_t ox = 0; ox < p->ow; ox++) {                                                                     \
                const int64_t left = ox * p->stride_w - p->pad_left;                                                     \
                type *out = (type *)io[1] + (unit * p->ow + ox) * p->oc;                                                 \
                for (int32_t o = 0; o < p->oc; o++) {                                                                    \
                    int64_t acc = p->bias[o];                                                                            \
                    for (int32_t ky = 0; ky < p->kh; ky++) {                                                             \
                        const int64_t y = top + ky * p->dilation_h;                                                      \
                        if (y < 0 || y >= p->h) continue;                                                                \
                        for (int32_t kx = 0; kx < p->kw; kx++) {                                                         \
                            const int64_t x = left + kx * p->dilation_w;                                                 \
                            if (x < 0 || x >= p->w) continue;                                                            \
                            const type *v = image + (y * p->w + x) * p->c + o / filters * depth;                         \
                            const int64_t at = (((int64_t)o * p->kh + ky) * p->kw + kx) * depth;                         \
                            for (int32_t i = 0; i < depth; i++) {                                                        \
                                const int32_t k = p->w_size == 1 ? ((const int8_t *)p->weights)[at + i]                  \
                                                                 : ((const int16_t *)p->weights)[at + i];                \
                                acc += (int64_t)(v[i] - p->x_zero_point) * (k - p->w_zero_point);                        \
                            }                                                                                            \
                        }                                                                                                \
                    }                                                                                                    \
                    out[o] = (type)tfl_clamp(rescale(p, acc, o) + p->y_zero_point, p->lo, p->hi);                        \
                }                                                                                                        \
            }                                                                                                            \
        }                                                                                                                \
    }
CONVOLUTION(tfl_conv2d_s8, int8_t)
CONVOLUTION(tfl_conv2d_s16, int16_t)
