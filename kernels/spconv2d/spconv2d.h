/* spconv2d: what the drivers share. A unit is a run of output pixels with all channels. */
#ifndef INTQ_SPCONV2D_H
#define INTQ_SPCONV2D_H
#include "conv2d/conv2d.inc"

/* SP_ROWS: pixels of a unit of b16x4, whose lanes are channels; SP_LANES: of b1x4 as the compiler vectorizes it; SP_TILE: channels finished together;
 * SP_SHORT: bytes of a row of taps that is copied as one. */
enum { SP_ROWS = 48, SP_LANES = 64, SP_TILE = 64, SP_WINDOW = 64, SP_PITCH = 128, SP_SHORT = 32 };

/* How blocks are packed: SP_DOT4 for dot products of 4 bytes ([channel][4]) on unsigned operands, SP_PAIR for those of 2 ([2][channel][2]) and
 * SP_PLAIN ([4][channel]) on signed ones. */
typedef enum { SP_PLAIN, SP_PAIR, SP_DOT4 } sp_packing;

int64_t intq_spconv2d_prepare(intq_spconv2d *p, uint8_t *packed, int64_t width, sp_packing packing);
/* csr: a step holds 64 positions and 64 weights, 4 for each of 16 channels; position 4j + q, from the step's offset on, is what weight 4j + q of the
 * channel j multiplies. `flipped` is 128 for kernels that read unsigned operands, else 0. */
int64_t intq_spconv2d_prepare_csr(intq_spconv2d *p, uint8_t *packed, int32_t flipped);

/* b16x64: blocks of 16 channels by 64 of K, a tile of the right operand: [k / 4][channel][4], signed. */
int64_t intq_spconv2d_prepare_tiles(intq_spconv2d *p, uint8_t *packed);

/* What the pixels of a unit are, once its operands lie at `a`: `runs` rows of `run` outputs, `pitch` operands apart. What lies between two runs is
 * computed too, and dropped. */
typedef struct {
    int64_t pixels, runs, run, pitch, first;
} sp_unit;

static inline int sp_direct(const intq_conv2d *c) {
    return c->kh == 1 && c->kw == 1 && c->stride_h == 1 && c->stride_w == 1 && c->pad_top == 0 && c->pad_left == 0 && c->oh == c->h && c->ow == c->w;
}

/* conv_copy in whole lines: up to 63 bytes too much, which the next copy overwrites or which lie behind a row of operands. */
static inline void sp_copy(int8_t *to, const int8_t *from, int64_t bytes, int flip) {
    if (!flip) {
        memcpy(to, from, (size_t)bytes);
        return;
    }
    for (int64_t i = 0; i < bytes; i += 64) {
        uint64_t v[8];
        memcpy(v, from + i, 64);
        for (int j = 0; j < 8; j++) v[j] ^= UINT64_C(0x8080808080808080);
        memcpy(to + i, v, 64);
    }
}

/* Copies the left operands of `pixels` pixels, lda bytes apart, with the zero point outside the image. */
static inline void sp_fill(const intq_conv2d *c, const int8_t *x, int64_t pixel0, int64_t pixels, int8_t *a, int flip) {
    const int64_t row_bytes = (int64_t)c->kw * c->c, image_bytes = (int64_t)c->h * c->w * c->c;
    if (sp_direct(c)) {
        for (int64_t i = 0; i < pixels; i++) sp_copy(a + i * c->lda, x + (pixel0 + i) * c->c, c->c, flip);
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
                sp_copy(to, image + (y * c->w + x0) * c->c, row_bytes, flip);
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

/* Where element k of a weight row finds its operand, from that of the first: as columns hold them, or in rows of the image. */
static inline int64_t sp_at(const intq_spconv2d *p, int64_t k) {
    const intq_conv2d *c = &p->conv;
    if (!p->pitch) return k;
    const int64_t tap = k / c->c;
    return (tap / c->kw * c->dilation_h * p->pitch + tap % c->kw * c->dilation_w) * c->c + k % c->c;
}

/* The columns of a row of outputs, whose kernel rows are short: from the rows of the image, which go behind them first. */
static inline sp_unit sp_columns(const intq_spconv2d *p, const int8_t *x, int64_t unit, int8_t *a, int flip) {
    const intq_conv2d *c = &p->conv;
    const int64_t n = unit / c->oh, oy = unit % c->oh, bytes = (int64_t)c->kw * c->c, step = (int64_t)c->stride_w * c->c;
    const int64_t width = p->columns * c->c;
    int8_t *rows = a + (int64_t)c->ow * c->lda;
    for (int64_t kh = 0; kh < c->kh; kh++)
        conv_copy_row(c, rows + kh * width, x + n * c->h * c->w * c->c, oy * c->stride_h - c->pad_top + kh * c->dilation_h, -(int64_t)c->pad_left,
                      p->columns, flip);
    for (int64_t i = 0; i < c->ow; i++, a += c->lda)
        for (int64_t kh = 0; kh < c->kh; kh++) /* too much: what comes next overwrites it */
            memcpy(a + kh * bytes, rows + kh * width + i * step, SP_SHORT);
    return (sp_unit){c->ow, 1, c->ow, 0, unit * c->ow};
}

/* Brings a unit's operands to `a`; `flip`: as unsigned bytes. */
static inline sp_unit sp_begin(const intq_spconv2d *p, const int8_t *x, int64_t unit, int8_t *a, int flip) {
    const intq_conv2d *c = &p->conv;
    if (!p->rows) {
        const int64_t first = unit * p->pixels, pixels = conv_min(p->pixels, (int64_t)c->n * c->oh * c->ow - first);
        if (sp_direct(c) && c->lda == c->c)
            sp_copy(a, x + first * c->c, pixels * c->c, flip);
        else
            sp_fill(c, x, first, pixels, a, flip);
        return (sp_unit){pixels, 1, pixels, 0, first};
    }
    if (p->columns) return sp_columns(p, x, unit, a, flip);
    const int64_t per = (c->oh + p->rows - 1) / p->rows, n = unit / per, oy = unit % per * p->rows, rows = conv_min(p->rows, c->oh - oy);
    const int8_t *image = x + n * c->h * c->w * c->c;
    for (int64_t r = 0; r < rows + (c->kh - 1) * c->dilation_h; r++)
        conv_copy_row(c, a + r * p->pitch * c->c, image, oy * c->stride_h - c->pad_top + r, -(int64_t)c->pad_left, p->pitch, flip);
    return (sp_unit){(rows - 1) * p->pitch + c->ow, rows, c->ow, p->pitch, (n * c->oh + oy) * c->ow};
}

/* How many bytes sp_begin brings at most, but for csr's columns. */
static inline int64_t sp_operands(const intq_spconv2d *p) {
    const intq_conv2d *c = &p->conv;
    return p->pitch ? (p->rows + (int64_t)(c->kh - 1) * c->dilation_h) * p->pitch * c->c : p->pixels * c->lda;
}

static inline void sp_end(const intq_conv2d *c, const sp_unit *u, int64_t tile, int64_t channels, const int32_t *acc, const intq_requant *rq, int8_t *y) {
    for (int64_t r = 0; r < u->runs; r++)
        c->finish(u->run, channels, acc + r * u->pitch * SP_TILE, SP_TILE, rq, tile, y + (u->first + r * u->run) * c->oc + tile, c->oc);
}
#endif
