/* bconv2d: what the drivers of all instruction sets share. */
#ifndef INTQ_BCONV2D_H
#define INTQ_BCONV2D_H
#include <stdint.h>
#include <string.h>

#include "kernels.h"

enum { BCONV_NR = 32 }; /* channels of a panel */

static inline int64_t bconv_min(int64_t a, int64_t b) { return a < b ? a : b; }
static inline int64_t bconv_up(int64_t a, int64_t b) { return (a + b - 1) / b * b; }
static inline int64_t bconv_taps(const intq_bconv2d *p) { return (int64_t)p->kh * p->kw; }
static inline int bconv_direct(const intq_bconv2d *p) {
    return p->kh == 1 && p->kw == 1 && p->stride_h == 1 && p->stride_w == 1 && p->pad_top == 0 && p->pad_left == 0 && p->oh == p->h && p->ow == p->w;
}
/* Every operand of a pixel, tap after tap; taps outside the image get the border's bits. */
static inline void bconv_columns(const intq_bconv2d *p, const uint8_t *x, int64_t pixel0, int64_t pixels, uint8_t *a) {
    const int64_t bytes = p->bytes, tap_row = p->kw * bytes;
    int64_t ox = pixel0 % p->ow, oy = pixel0 / p->ow % p->oh, image = pixel0 / p->ow / p->oh;
    for (int64_t i = 0; i < pixels; i++) {
        const int64_t x0 = ox * p->stride_w - p->pad_left, y0 = oy * p->stride_h - p->pad_top;
        const uint8_t *from = x + image * p->h * p->w * bytes;
        uint8_t *to = a + i * p->lda;
        for (int64_t kh = 0; kh < p->kh; kh++) {
            const int64_t yy = y0 + kh * p->dilation_h;
            const int row_inside = yy >= 0 && yy < p->h;
            if (row_inside && p->dilation_w == 1 && x0 >= 0 && x0 + p->kw <= p->w) {
                const uint64_t *words = (const uint64_t *)(from + (yy * p->w + x0) * bytes);
                for (int64_t v = 0; v < tap_row / 8; v++) ((uint64_t *)to)[v] = words[v];
                to += tap_row;
                continue;
            }
            for (int64_t kw = 0; kw < p->kw; kw++, to += bytes) {
                const int64_t xx = x0 + kw * p->dilation_w;
                const uint8_t *pixel = row_inside && xx >= 0 && xx < p->w ? from + (yy * p->w + xx) * bytes : p->border;
                for (int64_t v = 0; v < bytes / 8; v++) ((uint64_t *)to)[v] = ((const uint64_t *)pixel)[v];
            }
        }
        if (++ox == p->ow) {
            ox = 0;
            if (++oy == p->oh) oy = 0, image++;
        }
    }
}

/* The bits of `pixels` left operands, p->lda bytes apart. */
static inline const uint8_t *bconv_left(const intq_bconv2d *p, const uint8_t *x, int64_t pixel0, int64_t pixels, uint8_t *to) {
    if (bconv_direct(p)) return x + pixel0 * p->bytes;
    bconv_columns(p, x, pixel0, pixels, to);
    return to;
}

/* Chooses the blocks of a product whose left operand takes `lda` bytes a pixel. */
void intq_bconv2d_plan(intq_bconv2d *p, int64_t lda);
/* The prepare function of every row. */
int64_t intq_bconv2d_prepare(intq_bconv2d *p, uint8_t *packed);
#endif
