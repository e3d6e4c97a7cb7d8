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
/* `count` pieces of `size` bytes. */
static inline __attribute__((always_inline)) void bconv_copy_size(int64_t count, int64_t size, const uint8_t *from, int64_t apart, uint8_t *to, int64_t lda) {
    for (int64_t i = 0; i < count; i++, from += apart, to += lda) memcpy(to, from, (size_t)size);
}
static inline void bconv_copy(int64_t count, int64_t size, const uint8_t *from, int64_t apart, uint8_t *to, int64_t lda) {
    switch (size) { /* known sizes become a few moves of whole vectors */
    case 8: bconv_copy_size(count, 8, from, apart, to, lda); break;
    case 16: bconv_copy_size(count, 16, from, apart, to, lda); break;
    case 24: bconv_copy_size(count, 24, from, apart, to, lda); break;
    case 48: bconv_copy_size(count, 48, from, apart, to, lda); break;
    case 96: bconv_copy_size(count, 96, from, apart, to, lda); break;
    default: bconv_copy_size(count, size, from, apart, to, lda);
    }
}

/* The operands of `count` output pixels of line oy from ox on, for one line of the kernel; `line` is what it reads, NULL outside the image. */
static inline void bconv_line(const intq_bconv2d *p, const uint8_t *line, int64_t ox, int64_t count, uint8_t *to) {
    const int64_t bytes = p->bytes, apart = p->stride_w * bytes;
    for (int64_t i = 0; i < count; i++) {
        const int64_t x0 = (ox + i) * p->stride_w - p->pad_left;
        if (line && p->dilation_w == 1 && x0 >= 0 && x0 + p->kw <= p->w) {
            const int64_t inside = bconv_min(count - i, (p->w - p->kw - x0) / p->stride_w + 1);
            bconv_copy(inside, p->kw * bytes, line + x0 * bytes, apart, to + i * p->lda, p->lda);
            i += inside - 1;
            continue;
        }
        for (int64_t kw = 0; kw < p->kw; kw++) {
            const int64_t xx = x0 + kw * p->dilation_w;
            bconv_copy(1, bytes, line && xx >= 0 && xx < p->w ? line + xx * bytes : p->border, 0, to + i * p->lda + kw * bytes, 0);
        }
    }
}

/* Every operand of a pixel, tap after tap; taps outside the image get the border's bits. */
static inline void bconv_columns(const intq_bconv2d *p, const uint8_t *x, int64_t pixel0, int64_t pixels, uint8_t *a) {
    const int64_t line_bytes = p->w * p->bytes;
    for (int64_t done = 0; done < pixels;) {
        const int64_t ox = (pixel0 + done) % p->ow, line = (pixel0 + done) / p->ow, count = bconv_min(pixels - done, p->ow - ox);
        const uint8_t *image = x + line / p->oh * p->h * line_bytes;
        for (int64_t kh = 0; kh < p->kh; kh++) {
            const int64_t yy = line % p->oh * p->stride_h - p->pad_top + kh * p->dilation_h;
            bconv_line(p, yy >= 0 && yy < p->h ? image + yy * line_bytes : NULL, ox, count, a + done * p->lda + kh * p->kw * p->bytes);
        }
        done += count;
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
