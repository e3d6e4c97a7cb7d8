/* conv2d and dense: the loop structure that prepare chooses and the driver (conv2d.inc) walks.
 *
 * The work is a product per block of output pixels: rows are pixels, columns are output channels in panels of nr, and the sum runs over
 * `segs` segments of `seg_k` contiguous bytes, segment s starting seg_offset[s] bytes from the pixel's left operand, `lda` bytes apart.
 *   CONV_DIRECT  1x1 without stride or border: the arena in place; rows that want unsigned operands get a copy with the sign flipped.
 *   CONV_TILED   The same with the rows copied so that the 64 bytes of neighbouring rows are neighbours: a tile is one piece of memory. For deep
 *                sums and so many panels that the copy does not count.
 *   CONV_BAND    The input rows that `band` output rows need are copied with their zero-point border. A segment is a kernel row, or a
 *                single tap under dilation or groups. Rows are padded to row_pixels output pixels, so that one product runs over several
 *                output rows; the pixels between them are computed and dropped. With a vertical stride, rows of one phase lie together.
 *   CONV_LINES   The input rows that `band` output rows need, with what one kernel row reads of them copied out for every output pixel. A segment
 *                is a kernel row. More copies than a band, but whole cache lines, and no pixels to drop. For tiles.
 *   CONV_IM2COL  Every pixel's operand is copied out: one segment. For few channels, groups, and where the band would waste products. */
#ifndef INTQ_CONV2D_H
#define INTQ_CONV2D_H
#include <stdint.h>
#include <string.h>

#include "kernels.h"

enum { CONV_TOGETHER = 4 };
enum { CONV_PANEL_BYTES = 40 << 10 }; /* a panel of weights that stays in the L1 cache beside what streams past it */

typedef enum { CONV_DIRECT, CONV_TILED, CONV_BAND, CONV_LINES, CONV_IM2COL } intq_conv_mode;

static inline int64_t conv_min(int64_t a, int64_t b) { return a < b ? a : b; }
static inline int64_t conv_round_up(int64_t a, int64_t b) { return (a + b - 1) / b * b; }

/* Columns that a panel of n takes, in weights and accumulators. */
static inline int64_t conv_panel_width(const intq_conv2d *p, int64_t n) { return p->flags & INTQ_NARROW_PANELS ? conv_round_up(n, 16) : p->nr; }
static inline int64_t conv_widest(const intq_conv2d *p) { return conv_panel_width(p, conv_min(p->nr, p->group_channels)); }

/* Panels of one product. */
static inline int64_t conv_together(const intq_conv2d *p) { return p->flags & INTQ_PANELS ? conv_min(p->panels, CONV_TOGETHER) : 1; }

/* Scratch: the accumulators of one chunk (or of 32 x 32 in tiles, and a pointer for each row of a block: amx.c), then the left operand. */
static inline int64_t conv_acc_bytes(const intq_conv2d *p) {
    const int64_t rows = p->row_pixels ? (int64_t)p->band * p->row_pixels : p->band;
    const int64_t chunk = (int64_t)p->chunk * conv_widest(p) * conv_together(p) * 4, tiles = 32 * 32 * 4 + rows * (int64_t)sizeof(void *) + p->oc;
    return conv_round_up(chunk > tiles ? chunk : tiles, 64);
}

/* CONV_IM2COL: bytes of the copied operands of a block; columns of an input row with its borders, and bytes of all rows of a block. */
static inline int64_t conv_columns_bytes(const intq_conv2d *p) { return conv_round_up(p->band * p->lda + INTQ_SLACK, 64); }
static inline int64_t conv_padded_width(const intq_conv2d *p) { return (int64_t)(p->ow - 1) * p->stride_w + p->kw; }
static inline int64_t conv_rows_bytes(const intq_conv2d *p) {
    const int64_t lines = (p->band + p->ow - 2) / p->ow + 1, most = conv_min(lines, p->oh);
    return ((most - 1) * p->stride_h + (p->kh - 1) * p->dilation_h + 1) * conv_padded_width(p) * p->c;
}

/* The prepare function of every conv2d row: chooses, packs, folds. */
int64_t intq_conv2d_prepare(intq_conv2d *p, uint8_t *packed);
#endif
