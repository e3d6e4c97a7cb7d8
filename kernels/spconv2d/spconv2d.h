/* spconv2d: what the drivers share. A unit is a run of output pixels with all channels. */
#ifndef INTQ_SPCONV2D_H
#define INTQ_SPCONV2D_H
#include "conv2d/conv2d.inc"

/* SP_ROWS: pixels of a unit of b16x4, whose lanes are channels; SP_LANES: of b1x4, whose lanes are pixels; SP_TILE: channels finished together. */
enum { SP_ROWS = 48, SP_LANES = 64, SP_TILE = 64, SP_DEPTH = 384, SP_WINDOW = 64 }; /* SP_DEPTH: of K, whose transposed operands stay in the L1 cache */

/* How blocks are packed: SP_DOT4 for dot products of 4 bytes ([channel][4]) on unsigned operands, SP_PLAIN ([4][channel]) on signed ones. */
typedef enum { SP_PLAIN, SP_DOT4 } sp_packing;

int64_t intq_spconv2d_prepare(intq_spconv2d *p, uint8_t *packed, int64_t width, sp_packing packing);
/* csr: a step holds 64 positions and 64 weights, 4 for each of 16 channels; position 4j + q, from the step's offset on, is what weight 4j + q of the
 * channel j multiplies. `flipped` is 128 for kernels that read unsigned operands, else 0. */
int64_t intq_spconv2d_prepare_csr(intq_spconv2d *p, uint8_t *packed, int32_t flipped);

static inline int sp_direct(const intq_conv2d *c) {
    return c->kh == 1 && c->kw == 1 && c->stride_h == 1 && c->stride_w == 1 && c->pad_top == 0 && c->pad_left == 0 && c->oh == c->h && c->ow == c->w;
}

/* Copies the left operands of `pixels` pixels, lda bytes apart, with the zero point outside the image. */
static inline void sp_fill(const intq_conv2d *c, const int8_t *x, int64_t pixel0, int64_t pixels, int8_t *a, int flip) {
    const int64_t row_bytes = (int64_t)c->kw * c->c, image_bytes = (int64_t)c->h * c->w * c->c;
    if (sp_direct(c)) {
        for (int64_t i = 0; i < pixels; i++) conv_copy(a + i * c->lda, x + (pixel0 + i) * c->c, c->c, flip);
        return;
    }
    int64_t ox = pixel0 % c->ow, oy = pixel0 / c->ow % c->oh;
    const int8_t *image = x + pixel0 / c->ow / c->oh * image_bytes;
    for (int64_t i = 0; i < pixels; i++, a += c->lda) {
        const int64_t x0 = ox * c->stride_w - c->pad_left;
        for (int64_t kh = 0; kh < c->kh; kh++) {
            const int64_t y = oy * c->stride_h - c->pad_top + kh * c->dilation_h;
            int8_t *to = a + kh * row_bytes;
            if (y >= 0 && y < c->h && c->dilation_w == 1 && x0 >= 0 && x0 + c->kw <= c->w)
                conv_copy(to, image + (y * c->w + x0) * c->c, row_bytes, flip);
            else if (c->dilation_w == 1)
                conv_copy_row(c, to, image, y, x0, c->kw, flip);
            else
                for (int64_t kw = 0; kw < c->kw; kw++) conv_copy_row(c, to + kw * c->c, image, y, x0 + kw * c->dilation_w, 1, flip);
        }
        if (++ox < c->ow) continue;
        ox = 0;
        if (++oy < c->oh) continue;
        oy = 0;
        image += image_bytes;
    }
}
#endif
