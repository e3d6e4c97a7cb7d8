/* conv2d with AMX tiles, configured once a call (other code in the process may use them in between). */
#include "conv2d/amx.h"

intq_gemm_fn intq_gemm_s8s8_32x32x4_amx, intq_gemm_u8s8_12x32x4_avx512vnni;
intq_finish_fn intq_finish_q15_avx512vnni;
intq_kernel_fn intq_add_any_avx512vnni;

/* A left operand beyond this many bytes is read past the first-level cache, where the panel stays. */
enum { LEFT = 24 << 10 };

/* Output rows of the product. A dropped one goes where the next row goes, which is written later. */
static int8_t *const *row_pointers(const intq_conv2d *p, const conv_block *b, int32_t *acc, int8_t *y) {
    int8_t **rows = (int8_t **)(acc + 2 * OUTPUTS), *to = y + b->out * p->oc;
    for (int64_t i = 0; i < b->rows; i += b->pitch) {
        for (int64_t k = i; k < conv_min(i + b->run, b->rows); k++, to += p->oc) rows[k] = to;
        for (int64_t k = i + b->run; k < conv_min(i + b->pitch, b->rows); k++) rows[k] = to;
    }
    return rows;
}

#define MIXED(...) mixed(p, b, group, first, last, acc, rows, residual, y, (shape){__VA_ARGS__});

static void mixed_panels(const intq_conv2d *p, const conv_block *b, int64_t group, int64_t first, int64_t last, int32_t *acc,
                         const int8_t *residual, int8_t *y, int tall) {
    int8_t *const *rows = p->mode == CONV_BAND ? row_pointers(p, b, acc, y) : NULL;
    const int64_t deep = p->segs * p->seg_k;
    const int stream = b->rows * deep > LEFT && deep >= 512 && p->panel_bytes <= CONV_PANEL_BYTES;
    if (p->mode == CONV_BAND && p->segs == 3) {
        if (tall)
            MIXED(.tall = 1, .segs = 3)
        else
            MIXED(.segs = 3)
    } else if (p->mode == CONV_BAND) {
        if (tall)
            MIXED(.tall = 1)
        else
            MIXED(.tall = 0)
    } else if (p->segs == 1) {
        if (tall)
            MIXED(.tall = 1, .segs = 1, .contiguous = 1)
        else
            MIXED(.segs = 1, .contiguous = 1)
    } else if (tall)
        MIXED(.tall = 1, .contiguous = 1)
    else if (stream)
        MIXED(.contiguous = 1, .stream = 1)
    else
        MIXED(.contiguous = 1)
}

static void gemm(int64_t m, int64_t n, int64_t segs, int64_t k, const int8_t *a, int64_t lda, const int64_t *seg_offset, const int8_t *b,
                 const int32_t *init, int32_t *acc) {
    amx_gemm(m, n, segs, k, a, lda, seg_offset, b, init, acc);
}

static void tile_panels(const intq_conv2d *p, const conv_block *b, int64_t group, int64_t first, int64_t last, int32_t *acc,
                        const int8_t *residual, int8_t *y) {
    const int mixes = p->finish == intq_finish_q15_avx512vnni && !p->w_zero_point && b->rows >= 32;
    const int64_t narrow = last == p->panels && (p->group_channels - 1) % p->nr < 16 && b->rows >= 64; /* half a panel */
    if (mixes && (!residual || p->residual_add == intq_add_any_avx512vnni)) {
        if (first < last - narrow) mixed_panels(p, b, group, first, last - narrow, acc, residual, y, 0);
        if (narrow) mixed_panels(p, b, group, last - 1, last, acc, residual, y, 1);
        return;
    }
    conv_panels_by(gemm, p, b, group, first, last, acc, y);
    conv_add_residual(p, b, group, first, last, residual, y);
}

void intq_conv2d_any_amx(const void *params, void *const *io, int64_t begin, int64_t end, uint8_t *scratch) {
    const intq_conv2d *p = params;
    if (p->gemm == intq_gemm_s8s8_32x32x4_amx) {
        amx_begin(16);
        conv2d_run(p, io, begin, end, scratch, tile_panels);
        amx_end();
    } else
        conv2d_run(p, io, begin, end, scratch, conv_panels);
}

int64_t intq_conv2d_any_amx_prepare(void *params, uint8_t *packed) {
    intq_conv2d *p = params;
    if (p->gemm == intq_gemm_s8s8_32x32x4_amx && (int64_t)p->n * p->oh * p->ow < 16) { /* too few rows to fill tiles: bound by the weights */
        p->gemm = intq_gemm_u8s8_12x32x4_avx512vnni;
        p->ku = 4;
        p->flags = INTQ_UNSIGNED_A;
    }
    return intq_conv2d_prepare(p, packed);
}
