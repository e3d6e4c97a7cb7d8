/* conv2d with AMX tiles, configured once a call (other code in the process may use them in between).
 *
 * Tiles and vector instructions run side by side only if the instruction stream mixes them: the out-of-order window is too short to
 * reach over a whole tile. So while 32 rows by 32 columns are multiplied, the 32 x 32 before are requantized, a few rows after each
 * product. Measured on 32-row tiles of 64 deep: 90 ns one after the other, 75 ns mixed. */
#include "vec/amx.h"

#include "conv2d/conv2d.inc"

intq_gemm_fn intq_gemm_s8s8_32x32x4_amx, intq_gemm_u8s8_12x32x4_avx512vnni;
intq_finish_fn intq_finish_q15_avx512vnni;

enum { TILE = 32 * 32 };

/* A tile to requantize: accumulators, and where its 32 rows go: `rows`, or `stride` bytes apart from `out` on. */
typedef struct {
    const int32_t *acc;
    const rq512 *q;
    int8_t *const *rows;
    int8_t *out;
    int64_t stride, channel;
    __mmask32 columns;
} job;

/* Rows 2i and 2i + 1. */
INLINE void finish_pair(const job *j, const rq512 *params, int i, int left, int contiguous) {
    __m512i a[4];
    for (int v = 0; v < 4; v++) a[v] = _mm512_load_si512(j->acc + 64 * i + 16 * v);
    const __m512i q = rq512_q15(params, a, 1, left, RQ_PAIR);
    int8_t *even = contiguous ? j->out + 2 * i * j->stride : j->rows[2 * i] + j->channel;
    int8_t *odd = contiguous ? even + j->stride : j->rows[2 * i + 1] + j->channel;
    _mm256_mask_storeu_epi8(even, j->columns, _mm512_castsi512_si256(q));
    _mm256_mask_storeu_epi8(odd, j->columns, _mm512_extracti64x4_epi64(q, 1));
}
INLINE void finish_until(const job *j, const rq512 *params, int *i, int end, int left, int contiguous) {
    for (; *i < end; ++*i) finish_pair(j, params, *i, left, contiguous);
}

/* Weights to bring to the second-level cache, some lines a step: the next panel while this one is multiplied. A network's weights come
 * from the third level or from memory at each run, and the hardware's prefetchers stop at every page. */
typedef struct {
    const int8_t *at;
    int64_t lines;
} ahead;

/* The product of 32 rows from `a` on with a panel, while job j (if any) is finished. `single`: the product is one step of 64 deep, and
 * pairs of rows follow its instructions. Deeper ones gain nothing from that; all pairs stand around the stores, which wait for the last
 * products. */
INLINE void product(const intq_conv2d *p, const int8_t *a, const int8_t *b, int32_t *acc, const job *j, ahead *w, int single, int left,
                    int contiguous) {
    const int64_t lda = p->lda, segs = single ? 1 : p->segs, k = single ? 64 : p->seg_k;
    const rq512 params = *j->q; /* in registers */
    int done = j->acc ? 0 : 16;
    __asm__ volatile("" ::: "memory"); /* gcc 12's tile loads do not say that they read memory */
    _tile_zero(0);
    _tile_zero(1);
    _tile_zero(2);
    _tile_zero(3);
    for (int64_t s = 0; s < segs; s++) {
        const int8_t *p0 = a + (single ? 0 : p->seg_offset[s]), *p1 = p0 + 16 * lda;
        for (int64_t q = 0; q < k; q += 64, b += 2048, p0 += 64, p1 += 64) {
            _tile_loadd(4, p0, lda);
            _tile_loadd(6, b, 128);
            _tile_dpbssd(0, 4, 6);
            _tile_loadd(7, b + 64, 128);
            _tile_dpbssd(1, 4, 7);
            if (single && done < 8) finish_until(j, &params, &done, done + 4, left, contiguous);
            _tile_loadd(5, p1, lda);
            _tile_dpbssd(2, 5, 6);
            _tile_dpbssd(3, 5, 7);
            if (single && done < 8) finish_until(j, &params, &done, done + 4, left, contiguous);
            for (int64_t l = 0; l < w->lines; l++, w->at += 64) _mm_prefetch((const char *)w->at, _MM_HINT_T1);
        }
    }
    finish_until(j, &params, &done, 12, left, contiguous);
    _tile_stored(0, acc, 128);
    _tile_stored(1, acc + 16, 128);
    finish_until(j, &params, &done, 16, left, contiguous);
    _tile_stored(2, acc + TILE / 2, 128);
    _tile_stored(3, acc + TILE / 2 + 16, 128);
}

/* Output rows of the product: dropped ones go to a place that nobody reads. */
static void row_pointers(const intq_conv2d *p, const conv_block *b, int8_t *y, int8_t **rows, int8_t *nowhere) {
    const int64_t oc = p->oc;
    int8_t *to = y + b->out * oc;
    for (int64_t i = 0; i < b->rows; i += b->pitch) {
        for (int64_t k = i; k < conv_min(i + b->run, b->rows); k++, to += oc) rows[k] = to;
        for (int64_t k = i + b->run; k < conv_min(i + b->pitch, b->rows); k++) rows[k] = nowhere;
    }
}

INLINE void mixed(const intq_conv2d *p, const conv_block *b, int64_t group, int64_t first, int64_t last, int32_t *acc, int8_t *y,
                  int single, int left, int contiguous) {
    int8_t **rows = (int8_t **)(acc + 2 * TILE);
    rq512 q[2];
    job j = {.q = q}; /* nothing yet */
    int turn = 0;
    const int64_t tiles = (b->rows + 31) / 32;
    const int fetch = b->out == 0 || p->m_blocks < 8; /* of many blocks, the first one has fetched it */
    if (!contiguous) row_pointers(p, b, y, rows, (int8_t *)(rows + b->rows));
    for (int64_t panel = first; panel < last; panel++) {
        const conv_panel c = conv_panel_of(p, group, panel);
        rq512 *now = q + (panel & 1);
        rq512_load_q15(now, &p->rq, c.channel, c.n, RQ_PAIR);
        ahead w = {c.weights + conv_panel_bytes(p), fetch ? (32 + tiles - 1) / tiles : 0};
        for (int64_t i = 0; i < b->rows; i += 32, turn ^= 1) {
            const int64_t row = conv_min(i, b->rows - 32); /* the last tile overlaps the one before */
            int32_t *tile = acc + turn * TILE;
            product(p, b->a + row * p->lda, c.weights, tile, &j, &w, single, left, contiguous);
            j = (job){tile, now, rows + row, y + (b->out + row) * p->oc + c.channel, p->oc, c.channel, (__mmask32)mask64(c.n)};
        }
    }
    for (int i = 0; i < 16 && j.acc; i++) finish_pair(&j, j.q, i, left, contiguous);
}

#define MIXED(single, contiguous)                                        \
    if (p->rq.any_left)                                                  \
        mixed(p, b, group, first, last, acc, y, single, 1, contiguous);  \
    else                                                                 \
        mixed(p, b, group, first, last, acc, y, single, 0, contiguous);

static void mixed_panels(const intq_conv2d *p, const conv_block *b, int64_t group, int64_t first, int64_t last, int32_t *acc, int8_t *y) {
    if (p->mode == CONV_BAND) {
        MIXED(0, 0)
    } else if (p->seg_k <= 64) {
        MIXED(1, 1)
    } else {
        MIXED(0, 1)
    }
}

static void gemm(int64_t m, int64_t n, int64_t segs, int64_t k, const int8_t *a, int64_t lda, const int64_t *seg_offset, const int8_t *b,
                 const int32_t *init, int32_t *acc) {
    amx_gemm(m, n, segs, k, a, lda, seg_offset, b, init, acc);
}

static void tile_panels(const intq_conv2d *p, const conv_block *b, int64_t group, int64_t first, int64_t last, int32_t *acc, int8_t *y) {
    const int64_t narrow = (p->oc / p->groups - 1) % p->nr < 16 && last == (p->oc / p->groups + p->nr - 1) / p->nr; /* half a panel */
    if (p->finish == intq_finish_q15_avx512vnni && !p->w_zero_point && b->rows >= 32) {
        mixed_panels(p, b, group, first, last - narrow, acc, y);
        first = last - narrow;
    }
    conv_panels_by(gemm, p, b, group, first, last, acc, y);
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
    if (p->gemm == intq_gemm_s8s8_32x32x4_amx && (int64_t)p->n * p->oh * p->ow < 8) { /* too few rows to fill tiles: bound by the weights */
        p->gemm = intq_gemm_u8s8_12x32x4_avx512vnni;
        p->ku = 4;
        p->flags = INTQ_UNSIGNED_A;
    }
    return intq_conv2d_prepare(p, packed);
}
