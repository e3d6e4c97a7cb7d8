/* dwconv2d, the shortest text: a unit is one output row; the weights are read as they lie. */
#include <stdint.h>
#include <string.h>

#include "kernels.h"

static void accumulate(const intq_dwconv2d *p, const int8_t *image, int64_t y0, int64_t x0, int32_t *acc) {
    memset(acc, 0, (size_t)p->oc * sizeof *acc);
    for (int64_t kh = 0; kh < p->kh; kh++)
        for (int64_t kw = 0; kw < p->kw; kw++) {
            const int64_t y = y0 + kh * p->dilation_h, x = x0 + kw * p->dilation_w;
            if (y < 0 || y >= p->h || x < 0 || x >= p->w) continue; /* x - x_zero_point is 0 outside */
            const int8_t *from = image + (y * p->w + x) * p->c, *w = p->weights + (kh * p->kw + kw) * p->oc;
            for (int64_t c = 0, o = 0; c < p->c; c++)
                for (int64_t m = 0; m < p->multiplier; m++, o++) acc[o] += (from[c] - p->x_zero_point) * (w[o] - p->w_zero_point);
        }
}

void intq_dwconv2d_any_scalar(const void *params, void *const *io, int64_t begin, int64_t end, uint8_t *scratch) {
    const intq_dwconv2d *p = params;
    int32_t *acc = (int32_t *)scratch;
    for (int64_t unit = begin; unit < end; unit++) {
        const int8_t *image = (const int8_t *)io[0] + unit / p->oh * p->h * p->w * p->c;
        int8_t *y = (int8_t *)io[1] + unit * p->ow * p->oc;
        for (int64_t ox = 0; ox < p->ow; ox++, y += p->oc) {
            accumulate(p, image, unit % p->oh * p->stride_h - p->pad_top, ox * p->stride_w - p->pad_left, acc);
            p->finish(1, p->oc, acc, p->oc, &p->rq, 0, y, p->oc);
        }
    }
}

int64_t intq_dwconv2d_any_scalar_prepare(void *params, uint8_t *packed) {
    intq_dwconv2d *p = params;
    (void)packed;
    p->units = (int64_t)p->n * p->oh;
    p->scratch_bytes = (int64_t)p->oc * 4 + INTQ_SLACK;
    return INTQ_SLACK;
}
