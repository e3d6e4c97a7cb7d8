/* conv2d with AMX tiles, configured once a call (other code in the process may use them in between). */
#include "conv2d/amx.h"

intq_gemm_fn intq_gemm_s8s8_32x32x4_amx, intq_gemm_u8s8_6x64x4_avx512vnni;
intq_finish_fn intq_finish_q15_avx512vnni, intq_finish_q31_single_avx512vnni, intq_finish_q31_double_avx512vnni;
intq_kernel_fn intq_add_any_avx512vnni;

/* A left operand beyond this many bytes is read past the first-level cache, where the panel stays. */
enum { LEFT = 24 << 10 };
/* The longer requantization of q31 bounds shallow products: in small layers, where the spare rows and columns of tiles count, it is faster on its own. */
enum { Q31_DEPTH = 512, Q31_ROWS = 1024, Q31_CHANNELS = 24 };

/* Output rows of the product. A dropped one goes where the next row goes, which is written later. */
static int8_t *const *row_pointers(const intq_conv2d *p, const conv_block *b, int32_t *acc, int8_t *y) {
    int8_t **rows = (int8_t **)(acc + OUTPUTS), *to = y + b->out * p->y_stride;
    for (int64_t i = 0; i < b->rows; i += b->pitch) {
        for (int64_t k = i; k < conv_min(i + b->run, b->rows); k++, to += p->y_stride) rows[k] = to;
        for (int64_t k = i + b->run; k < conv_min(i + b->pitch, b->rows); k++) rows[k] = to;
    }
    return rows;
}

SHAPE(banded, 0, .left = 0)
SHAPE(banded_left, 0, .left = 1)
SHAPE(banded_tall, 1, .left = 0)
SHAPE(banded_tall_left, 1, .left = 1)
SHAPE(plain, 0, .contiguous = 1)
SHAPE(plain_left, 0, .contiguous = 1, .left = 1)
SHAPE(plain_tall, 1, .contiguous = 1)
SHAPE(plain_tall_left, 1, .contiguous = 1, .left = 1)
SHAPE(streamed, 0, .contiguous = 1, .stream = 1)
SHAPE(banded_q31, 0, .q31 = 1)
SHAPE(banded_tall_q31, 1, .q31 = 1)
SHAPE(plain_q31, 0, .contiguous = 1, .q31 = 1)
SHAPE(plain_tall_q31, 1, .contiguous = 1, .q31 = 1)
SHAPE(streamed_q31, 0, .contiguous = 1, .stream = 1, .q31 = 1)

static void load_q15(rq512 *p, const intq_requant *rq, int64_t channel, int64_t n, rq512_layout layout) { rq512_load_q15(p, rq, channel, n, layout); }
static void load_single(rq512 *p, const intq_requant *rq, int64_t channel, int64_t n, rq512_layout layout) { rq512_load_q31_single(p, rq, channel, n, layout); }
static void load_double(rq512 *p, const intq_requant *rq, int64_t channel, int64_t n, rq512_layout layout) { rq512_load_q31_double(p, rq, channel, n, layout); }

/* NULL: these outputs are finished after the products. */
static load_fn *loader(const intq_conv2d *p) {
    const int64_t rows = (int64_t)p->n * p->oh * p->ow;
    int slow = p->rq.any_left || (p->segs * p->seg_k < Q31_DEPTH && (rows < Q31_ROWS || p->group_channels < Q31_CHANNELS));
    if (p->w_zero_point || (p->residual && p->residual_add != intq_add_any_avx512vnni)) return NULL;
    if (p->finish == intq_finish_q15_avx512vnni) return load_q15;
    if (p->finish == intq_finish_q31_single_avx512vnni)
        for (int64_t o = 0; o < p->oc; o++) slow |= p->rq.right[o] < 31;
    if (slow) return NULL;
    return p->finish == intq_finish_q31_single_avx512vnni ? load_single : p->finish == intq_finish_q31_double_avx512vnni ? load_double : NULL;
}

static void mixed_panels(pipeline *l, const intq_conv2d *p, const conv_block *b, int64_t group, int64_t first, int64_t last,
                         const add_constants *add, int64_t residual, int8_t *y, int tall) {
    static const shape_functions *const shapes[2][2][3] = {{{&plain, &plain_left, &plain_q31}, {&plain_tall, &plain_tall_left, &plain_tall_q31}},
                                                           {{&banded, &banded_left, &banded_q31}, {&banded_tall, &banded_tall_left, &banded_tall_q31}}};
    const int band = p->mode == CONV_BAND, q31 = l->load != load_q15, left = p->rq.any_left;
    const int64_t deep = p->segs * p->seg_k;
    const int stream = b->rows * deep > LEFT && deep >= 512 && p->panel_bytes <= CONV_PANEL_BYTES && !band && !tall && !left;
    int8_t *const *rows = band ? row_pointers(p, b, l->acc, y) : NULL;
    mixed(l, p, b, group, first, last, rows, add, residual, y, stream ? (q31 ? &streamed_q31 : &streamed) : shapes[band][tall][q31 ? 2 : left]);
    if (band) pipeline_flush(l); /* the next block has other rows */
}

static void gemm(int64_t m, int64_t n, int64_t segs, int64_t k, const int8_t *a, int64_t lda, const int64_t *seg_offset, const int8_t *b,
                 const int32_t *init, int32_t *acc) {
    amx_gemm(m, n, segs, k, a, lda, seg_offset, b, init, acc);
}

static void tile_panels(const intq_conv2d *p, const conv_block *b, int64_t group, int64_t first, int64_t last, int32_t *acc,
                        const int8_t *residual, int8_t *y, void *state) {
    pipeline *l = state;
    const int64_t narrow = last == p->panels && (p->group_channels - 1) % p->nr < 16 && b->rows >= 64; /* half a panel */
    l->acc = acc;
    if (l->load && b->rows >= 32) {
        const int64_t apart = residual ? (int64_t)((uintptr_t)residual - (uintptr_t)y) : 0;
        if (first < last - narrow) mixed_panels(l, p, b, group, first, last - narrow, residual ? &l->add : NULL, apart, y, 0);
        if (narrow) mixed_panels(l, p, b, group, last - 1, last, residual ? &l->add : NULL, apart, y, 1);
        return;
    }
    pipeline_flush(l);
    conv_panels_by(gemm, p, b, group, first, last, acc, y);
    conv_add_residual(p, b, group, first, last, residual, y);
}

void intq_conv2d_any_amx(const void *params, void *const *io, int64_t begin, int64_t end, uint8_t *scratch) {
    const intq_conv2d *p = params;
    if (p->gemm == intq_gemm_s8s8_32x32x4_amx) {
        pipeline l;
        l.waiting.acc = NULL;
        l.bank = 0;
        l.f = NULL;
        l.load = loader(p);
        if (p->residual) l.add = add_constants_of(p->residual);
        amx_begin(16);
        conv2d_run(p, io, begin, end, scratch, tile_panels, &l);
        pipeline_flush(&l);
        amx_end();
    } else
        conv2d_run(p, io, begin, end, scratch, conv_panels, NULL);
}

int64_t intq_conv2d_any_amx_prepare(void *params, uint8_t *packed) {
    intq_conv2d *p = params;
    if (p->gemm == intq_gemm_s8s8_32x32x4_amx && (int64_t)p->n * p->oh * p->ow < 16) { /* too few rows to fill tiles: bound by the weights */
        p->gemm = intq_gemm_u8s8_6x64x4_avx512vnni;
        p->nr = 64;
        p->ku = 4;
        p->flags = INTQ_UNSIGNED_A | INTQ_ROW_OF_PANELS | INTQ_NARROW_PANELS;
    }
    return intq_conv2d_prepare(p, packed);
}
