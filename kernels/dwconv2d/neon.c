/* dwconv2d: 16 channels of a pixel at a time, as differences from the zero points in 16 bits; taps outside the image are left out. A unit
 * is one output row. The requantization is finish's: a pixel's accumulators are a row of its tile. */
#include <arm_neon.h>
#include <stdint.h>
#include <string.h>

#include "kernels.h"

typedef struct {
    int64_t y0, y1, x0, x1; /* taps inside the image */
} taps;

static inline taps inside(const intq_dwconv2d *p, int64_t y, int64_t x) {
    taps t = {0, p->kh, 0, p->kw};
    while (t.y0 < t.y1 && y + t.y0 * p->dilation_h < 0) t.y0++;
    while (t.y1 > t.y0 && y + (t.y1 - 1) * p->dilation_h >= p->h) t.y1--;
    while (t.x0 < t.x1 && x + t.x0 * p->dilation_w < 0) t.x0++;
    while (t.x1 > t.x0 && x + (t.x1 - 1) * p->dilation_w >= p->w) t.x1--;
    return t;
}

static inline void sixteen(const intq_dwconv2d *p, const int8_t *image, int64_t y, int64_t x, const taps *t, int64_t c, int32_t *acc) {
    const int16x8_t zx = vdupq_n_s16((int16_t)p->x_zero_point), zw = vdupq_n_s16((int16_t)p->w_zero_point);
    int32x4_t a[4] = {vdupq_n_s32(0), vdupq_n_s32(0), vdupq_n_s32(0), vdupq_n_s32(0)};
    for (int64_t i = t->y0; i < t->y1; i++)
        for (int64_t j = t->x0; j < t->x1; j++) {
            const int8x16_t v = vld1q_s8(image + ((y + i * p->dilation_h) * p->w + x + j * p->dilation_w) * p->c + c);
            const int8x16_t w = vld1q_s8(p->weights + (i * p->kw + j) * p->oc + c);
            const int16x8_t v0 = vsubq_s16(vmovl_s8(vget_low_s8(v)), zx), v1 = vsubq_s16(vmovl_high_s8(v), zx);
            const int16x8_t w0 = vsubq_s16(vmovl_s8(vget_low_s8(w)), zw), w1 = vsubq_s16(vmovl_high_s8(w), zw);
            a[0] = vmlal_s16(a[0], vget_low_s16(v0), vget_low_s16(w0));
            a[1] = vmlal_high_s16(a[1], v0, w0);
            a[2] = vmlal_s16(a[2], vget_low_s16(v1), vget_low_s16(w1));
            a[3] = vmlal_high_s16(a[3], v1, w1);
        }
    for (int h = 0; h < 4; h++) vst1q_s32(acc + c + 4 * h, a[h]);
}

static inline int32_t one(const intq_dwconv2d *p, const int8_t *image, int64_t y, int64_t x, const taps *t, int64_t o) {
    int32_t acc = 0;
    for (int64_t i = t->y0; i < t->y1; i++)
        for (int64_t j = t->x0; j < t->x1; j++) {
            const int8_t v = image[((y + i * p->dilation_h) * p->w + x + j * p->dilation_w) * p->c + o / p->multiplier];
            acc += (v - p->x_zero_point) * (p->weights[(i * p->kw + j) * p->oc + o] - p->w_zero_point);
        }
    return acc;
}

void intq_dwconv2d_any_neon(const void *params, void *const *io, int64_t begin, int64_t end, uint8_t *scratch) {
    const intq_dwconv2d *p = params;
    int32_t *acc = (int32_t *)scratch;
    for (int64_t unit = begin; unit < end; unit++) {
        const int8_t *image = (const int8_t *)io[0] + unit / p->oh * p->h * p->w * p->c;
        int8_t *out = (int8_t *)io[1] + unit * p->ow * p->oc;
        const int64_t y = unit % p->oh * p->stride_h - p->pad_top;
        for (int64_t ox = 0; ox < p->ow; ox++, out += p->oc) {
            const int64_t x = ox * p->stride_w - p->pad_left;
            const taps t = inside(p, y, x);
            int64_t o = 0;
            if (p->multiplier == 1)
                for (; o + 16 <= p->oc; o += 16) sixteen(p, image, y, x, &t, o, acc);
            for (; o < p->oc; o++) acc[o] = one(p, image, y, x, &t, o);
            p->finish(1, p->oc, acc, p->oc, &p->rq, 0, out, p->oc);
        }
    }
}

int64_t intq_dwconv2d_any_neon_prepare(void *params, uint8_t *packed) {
    intq_dwconv2d *p = params;
    (void)packed;
    p->units = (int64_t)p->n * p->oh;
    p->scratch_bytes = (int64_t)p->oc * 4 + INTQ_SLACK;
    return INTQ_SLACK;
}
