/* conv2d: the driver without vector flags, and what every driver shares: the choice of the loop structure and the packing of weights. */
#include "conv2d/conv2d.inc"

enum {
    A_BYTES = 192 << 10,
    ACC_BYTES = 16 << 10,
    COLUMNS_BYTES = 12 << 10,
    LINES_BYTES = 24 << 10,
    LINES_WEIGHTS = 48 << 10,
    BIG_WEIGHTS = 1 << 20,
    DEEP = 512,
    MANY_PANELS = 16,
    MANY_ROWS = 1024,
    MAX_ROWS = 480,
    MIN_BLOCKS = 8,
    COPY_BYTES_PER_CYCLE = 8,
    PIECE_CYCLES = 1,
    LINE_CYCLES = 3,
};

static int64_t pixels_of(const intq_conv2d *p) { return (int64_t)p->n * p->oh * p->ow; }
static int is_direct(const intq_conv2d *p) {
    return p->kh == 1 && p->kw == 1 && p->stride_h == 1 && p->stride_w == 1 && p->pad_top == 0 && p->pad_left == 0 && p->oh == p->h &&
           p->ow == p->w;
}

static int is_tiled(const intq_conv2d *p) {
    return is_direct(p) && p->ku >= 64 && p->groups == 1 && !p->w_zero_point && p->c >= DEEP && p->panels >= MANY_PANELS;
}

static void set_band_geometry(intq_conv2d *p) {
    const int64_t taps = p->groups > 1 || p->dilation_w > 1, cg = p->c / p->groups;
    const int64_t needed = (int64_t)(p->ow - 1) * p->stride_w + (p->kw - 1) * p->dilation_w + 1;
    p->segs = taps ? (int64_t)p->kh * p->kw : p->kh;
    p->seg_k = taps ? cg : p->kw * cg;
    p->lda = (int64_t)p->stride_w * p->c;
    p->row_pixels = (int32_t)((needed + p->stride_w - 1) / p->stride_w);
}

/* `total` rows in blocks of about as many as fit, an even number of even ones: two threads take half each. */
static int64_t even_blocks(int64_t total, int64_t fit, int64_t tile) {
    const int64_t least = (total + fit - 1) / fit, blocks = least > 1 ? conv_round_up(least, 2) : 1;
    return conv_min(conv_round_up((total + blocks - 1) / blocks, tile), total);
}

/* Blocks whose operand and weights stay in the L1 cache together: whole tiles of rows. 0: not for this layer. */
static int set_lines_geometry(intq_conv2d *p) {
    p->segs = p->kh;
    p->seg_k = (int64_t)p->kw * p->c;
    if (p->ku < 64 || p->groups != 1 || p->dilation_w != 1 || p->w_zero_point || is_direct(p)) return 0;
    p->lda = conv_round_up(p->seg_k, p->ku);
    if (p->segs * p->lda * p->panels * p->nr > LINES_WEIGHTS) return 0;
    const int64_t line = p->ow * p->lda, reach = ((p->kh - 1) * p->dilation_h) / p->stride_h, fit = LINES_BYTES / (line * p->stride_h) - reach;
    int64_t tile = 32;
    while (tile > 1 && tile / 2 * p->ow % 32 == 0) tile /= 2;
    p->band = (int32_t)even_blocks(p->oh, fit < tile ? tile : fit, tile);
    p->plane_rows = p->band + reach;
    p->m_blocks = (int64_t)p->n * ((p->oh + p->band - 1) / p->band);
    p->a_bytes = p->stride_h * p->plane_rows * line + p->lda;
    return 1;
}

/* Rough cycles of the whole layer: products, then copies of the left operand. Tiles take whole 32 rows. */
static int64_t product_cycles(const intq_conv2d *p, int64_t rows, int64_t segs, int64_t seg_k) {
    const int64_t tiles = p->ku >= 64, macs_per_cycle = tiles ? 640 : conv_min(p->kr * p->nr, 128), whole = p->panels - 1;
    const int64_t columns = whole * p->nr + conv_panel_width(p, p->group_channels - whole * p->nr);
    return conv_round_up(rows, tiles ? 32 : 1) * segs * conv_round_up(seg_k, p->ku) * p->groups * columns / macs_per_cycle;
}
static int64_t copy_cycles(int64_t bytes, int64_t pieces) { return bytes / COPY_BYTES_PER_CYCLE + pieces * PIECE_CYCLES; }

static int64_t band_cycles(intq_conv2d *p) {
    set_band_geometry(p);
    const int64_t rows = (int64_t)p->n * p->oh, width = (int64_t)p->row_pixels * p->stride_w;
    const int64_t products = rows * p->row_pixels - p->n * (p->row_pixels - p->ow);
    return product_cycles(p, products, p->segs, p->seg_k) + copy_cycles(rows * p->stride_h * width * p->c, rows * p->stride_h);
}
static int64_t lines_cycles(intq_conv2d *p) {
    if (!set_lines_geometry(p)) return INT64_MAX;
    return product_cycles(p, pixels_of(p), p->segs, p->seg_k) + p->m_blocks * p->stride_h * p->plane_rows * p->ow * p->lda / 64 * LINE_CYCLES;
}
static int64_t im2col_cycles(const intq_conv2d *p) {
    const int64_t cg = p->c / p->groups, taps = p->groups > 1 || p->dilation_w > 1;
    const int64_t pieces = pixels_of(p) * p->groups * p->kh * (taps ? p->kw : 1);
    return product_cycles(p, pixels_of(p), 1, (int64_t)p->kh * p->kw * cg) + copy_cycles(pixels_of(p) * p->kh * p->kw * p->c, pieces);
}

/* Rows in one block: as many as stay with their outputs in a part of the L2 cache; more where all blocks read weights
 * from farther. With deep sums and many rows, the rows stay in the L1 cache instead, as do short operands that were just copied. */
static int64_t rows_per_block(const intq_conv2d *p) {
    const int64_t tile = p->ku >= 64 ? 32 : 48; /* whole tiles of every row: 32, 12, 6 */
    const int64_t weights = p->segs * p->seg_k * p->oc / p->groups, many = pixels_of(p) >= MANY_ROWS;
    const int64_t deep = p->segs * p->seg_k, streams = p->ku >= 64 && deep * p->nr <= CONV_PANEL_BYTES; /* amx.c: past the L1 cache */
    const int64_t budget = deep >= DEEP && streams ? 4 * A_BYTES : many && deep >= DEEP ? A_BYTES / 8 : weights > BIG_WEIGHTS ? 4 * A_BYTES : A_BYTES;
    const int64_t most = p->mode == CONV_IM2COL && p->lda < DEEP ? COLUMNS_BYTES / p->lda : MAX_ROWS;
    const int64_t fit = conv_min(budget / (p->segs * p->seg_k + p->oc), most) / tile * tile, total = pixels_of(p);
    if (total <= most && p->threads > 1 && p->mode != CONV_IM2COL && deep >= 2 * p->oc && total >= 4 * tile && fit >= total)
        return conv_round_up(total / 2, tile); /* rows, not channels, to each thread: it reads what it wrote itself the step before */
    if (total <= most && p->threads <= 1 && total * (deep + p->oc) <= 2 * A_BYTES) return total; /* the weights are read once */
    return fit < tile ? tile : fit;
}

static void choose(intq_conv2d *p) {
    p->y_stride = p->oc;
    p->group_channels = p->oc / p->groups;
    p->panels = (p->group_channels + p->nr - 1) / p->nr;
    const int64_t band = band_cycles(p), columns = im2col_cycles(p), least = conv_min(conv_min(band, columns), lines_cycles(p));
    p->mode = is_tiled(p) ? CONV_TILED : is_direct(p) ? CONV_DIRECT : least == band ? CONV_BAND : least == columns ? CONV_IM2COL : CONV_LINES;
    p->row_pixels = 0;
    if (p->mode == CONV_LINES) {
        set_lines_geometry(p);
    } else if (p->mode == CONV_BAND) {
        set_band_geometry(p);
        const int64_t in_row = (int64_t)p->row_pixels * p->stride_w * p->c, reach = ((p->kh - 1) * p->dilation_h) / p->stride_h;
        const int64_t by_bytes = A_BYTES / (in_row * p->stride_h + (int64_t)p->ow * p->oc) - reach, fit = by_bytes < 1 ? 1 : by_bytes;
        p->band = (int32_t)even_blocks(p->oh, fit, 1);
        p->plane_rows = p->band + reach;
        p->m_blocks = (int64_t)p->n * ((p->oh + p->band - 1) / p->band);
        p->a_bytes = p->stride_h * p->plane_rows * in_row;
    } else {
        const int64_t cg = p->c / p->groups;
        p->segs = 1;
        p->seg_k = (int64_t)p->kh * p->kw * cg;
        p->lda = p->mode == CONV_DIRECT ? p->c : conv_round_up(p->seg_k, p->ku >= 64 ? 64 : 4); /* tiles load whole lines */
        p->band = (int32_t)even_blocks(pixels_of(p), rows_per_block(p), p->ku >= 64 ? 32 : 48);
        p->m_blocks = (pixels_of(p) + p->band - 1) / p->band;
        p->a_bytes = p->mode == CONV_DIRECT && !(p->flags & INTQ_UNSIGNED_A) ? 0 : p->band * p->lda;
        if (p->mode == CONV_TILED) p->lda = p->ku;
        if (p->mode == CONV_IM2COL) p->a_bytes = conv_columns_bytes(p) + conv_rows_bytes(p);
    }
    const int64_t blocks = p->m_blocks * p->groups;
    const int64_t parts = blocks >= MIN_BLOCKS ? 1 : (MIN_BLOCKS + blocks - 1) / blocks;
    const int64_t line = 64 / p->nr > 1 ? 64 / p->nr : 1; /* panels: threads shall not write the same cache lines */
    p->panels_per_block = conv_min(conv_round_up((p->panels + parts - 1) / parts, line), p->panels);
    p->n_blocks = (p->panels + p->panels_per_block - 1) / p->panels_per_block;
    p->panel_bytes = p->segs * conv_round_up(p->seg_k, p->ku) * p->nr;
    const int64_t tile = p->ku >= 64 ? 32 : 12; /* whole tiles of every row */
    p->chunk = (int32_t)(ACC_BYTES / (4 * conv_widest(p) * conv_together(p)) / tile * tile);
    p->units = blocks * p->n_blocks;
    p->scratch_bytes = conv_acc_bytes(p) + p->a_bytes + INTQ_SLACK;
}

/* Tiles take 64 of a segment's bytes at a time: every such piece becomes a segment of its own, for one loop where there were two. */
static int64_t pieces_of(const intq_conv2d *p) { return p->ku >= 64 && !p->w_zero_point ? (p->seg_k + p->ku - 1) / p->ku : 1; }

static void set_offsets(const intq_conv2d *p, int64_t *offset) {
    const int taps = p->mode == CONV_BAND && p->segs != p->kh;
    for (int64_t s = 0; s < p->segs; s++) {
        const int64_t y = (taps ? s / p->kw : s) * p->dilation_h, x = taps ? s % p->kw * p->dilation_w : 0;
        const int64_t row = y % p->stride_h * p->plane_rows + y / p->stride_h, pieces = pieces_of(p);
        for (int64_t i = 0; i < pieces; i++)
            offset[s * pieces + i] = (p->mode == CONV_BAND ? (row * p->row_pixels * p->stride_w + x) * p->c : p->mode == CONV_LINES ? row * p->ow * p->lda : 0) + i * p->ku * (p->mode == CONV_TILED ? p->band : 1);
    }
}

/* Packs one channel's weights into column j of its panel, which is `width` wide. The weights of a segment are contiguous in [kh][kw][c] order in every mode. */
static void pack_channel(const intq_conv2d *p, const int8_t *w, uint8_t *panel, int64_t j, int64_t width) {
    const int64_t seg_bytes = conv_round_up(p->seg_k, p->ku) * width;
    for (int64_t s = 0; s < p->segs; s++)
        for (int64_t k = 0; k < p->seg_k; k++)
            panel[s * seg_bytes + (k / p->kr * width + j) * p->kr + k % p->kr] = (uint8_t)w[s * p->seg_k + k];
}

int64_t intq_conv2d_prepare(intq_conv2d *p, uint8_t *packed) {
    choose(p);
    const int64_t weights = conv_round_up(p->panels * p->groups * p->panel_bytes, 64);
    const int64_t pieces = pieces_of(p), total = weights + p->segs * pieces * (int64_t)sizeof(int64_t) + INTQ_SLACK;
    if (!packed) return total;
    memset(packed, 0, (size_t)total);
    const int64_t ocg = p->group_channels, k = (int64_t)p->kh * p->kw * (p->c / p->groups);
    const int32_t shift = p->x_zero_point + (p->flags & INTQ_UNSIGNED_A ? 128 : 0);
    for (int64_t o = 0; o < p->oc; o++) {
        const int8_t *w = p->weights + o * k;
        const int64_t panel = o % ocg / p->nr, width = conv_panel_width(p, conv_min(p->nr, ocg - panel * p->nr));
        pack_channel(p, w, packed + (o / ocg * p->panels + panel) * p->panel_bytes, o % ocg % p->nr, width);
        int32_t sum = 0;
        for (int64_t i = 0; i < k; i++) sum += w[i];
        /* sum (x - zx)(w - zw) = sum x w - zw sum x - zx sum w + k zx zw; an unsigned row multiplies x + 128 */
        p->bias[o] -= (int32_t)((uint32_t)shift * (uint32_t)sum - (uint32_t)((int64_t)p->x_zero_point * p->w_zero_point * k));
    }
    set_offsets(p, (int64_t *)(packed + weights));
    if (pieces > 1) {
        p->segs *= pieces;
        p->seg_k = p->ku;
    }
    p->packed = (const int8_t *)packed;
    p->seg_offset = (const int64_t *)(packed + weights);
    return total;
}

void intq_conv2d_any_scalar(const void *params, void *const *io, int64_t begin, int64_t end, uint8_t *scratch) {
    conv2d_run(params, io, begin, end, scratch, conv_panels, NULL);
}
int64_t intq_conv2d_any_scalar_prepare(void *params, uint8_t *packed) { return intq_conv2d_prepare(params, packed); }
