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
/* The prepare function of every row. */
int64_t intq_bconv2d_prepare(intq_bconv2d *p, uint8_t *packed);
#endif
