/* Products of AMX tiles mixed with the requantization of the products before them.
 *
 * Tiles and vector instructions run side by side only if the instruction stream mixes them: the out-of-order window is too short to
 * reach over a whole tile. So while 1024 outputs are multiplied, the 1024 before are requantized in 16 steps of 64, a few after each
 * product. The four accumulators are 32 rows by 32 columns, or 64 rows by 16 columns for narrow panels. */
#ifndef INTQ_CONV2D_AMX_H
#define INTQ_CONV2D_AMX_H
#include "vec/amx.h"

#include "elementwise_avx512.h"

#include "add/vector.inc"
#include "conv2d/conv2d.inc"

enum { OUTPUTS = 32 * 32, STEPS = 16 };

/* What a function is compiled for; constants at every call. */
typedef struct {
    int tall;       /* 64 rows by 16 columns */
    int segs;       /* products of 64 deep; 0: any number */
    int contiguous; /* output rows lie `stride` bytes apart; otherwise `rows` points to them */
    int stream;     /* the left operand comes from the second-level cache, and shall not drive the panel out of the first */
} shape;

/* 1024 accumulators to finish, and where their rows go. */
typedef struct {
    const int32_t *acc;
    const rq512 *q;
    int8_t *const *rows;
    int8_t *out;
    int64_t stride, channel;
    __mmask32 columns;
    int dense; /* rows without other channels between them */
    const add_constants *add; /* with the bytes `residual` away from the output; NULL: nothing to add */
    int64_t residual;
} job;

INLINE int8_t *row_of(const job *j, int i, int contiguous) { return contiguous ? j->out + i * j->stride : j->rows[i] + j->channel; }

/* 64 bytes from, or to, the rows of step i: two of 32 columns or four of 16. */
INLINE __m512i load_rows(const job *j, int i, shape s) {
    if (s.tall) {
        __m512i v = _mm512_setzero_si512();
        v = _mm512_inserti32x4(v, _mm_loadu_si128((const __m128i *)(row_of(j, 4 * i, s.contiguous) + j->residual)), 0);
        v = _mm512_inserti32x4(v, _mm_loadu_si128((const __m128i *)(row_of(j, 4 * i + 1, s.contiguous) + j->residual)), 1);
        v = _mm512_inserti32x4(v, _mm_loadu_si128((const __m128i *)(row_of(j, 4 * i + 2, s.contiguous) + j->residual)), 2);
        return _mm512_inserti32x4(v, _mm_loadu_si128((const __m128i *)(row_of(j, 4 * i + 3, s.contiguous) + j->residual)), 3);
    }
    const __m256i even = _mm256_loadu_si256((const __m256i *)(row_of(j, 2 * i, s.contiguous) + j->residual));
    return _mm512_inserti64x4(_mm512_castsi256_si512(even), _mm256_loadu_si256((const __m256i *)(row_of(j, 2 * i + 1, s.contiguous) + j->residual)), 1);
}
INLINE void store_rows(const job *j, int i, __m512i q, shape s) {
    if (s.tall) {
        const __mmask16 m = (__mmask16)j->columns;
        _mm_mask_storeu_epi8(row_of(j, 4 * i, s.contiguous), m, _mm512_castsi512_si128(q));
        _mm_mask_storeu_epi8(row_of(j, 4 * i + 1, s.contiguous), m, _mm512_extracti32x4_epi32(q, 1));
        _mm_mask_storeu_epi8(row_of(j, 4 * i + 2, s.contiguous), m, _mm512_extracti32x4_epi32(q, 2));
        _mm_mask_storeu_epi8(row_of(j, 4 * i + 3, s.contiguous), m, _mm512_extracti32x4_epi32(q, 3));
    } else {
        _mm256_mask_storeu_epi8(row_of(j, 2 * i, s.contiguous), j->columns, _mm512_castsi512_si256(q));
        _mm256_mask_storeu_epi8(row_of(j, 2 * i + 1, s.contiguous), j->columns, _mm512_extracti64x4_epi64(q, 1));
    }
}

/* Step i of a job. Rows that lie side by side are one vector. */
INLINE void finish_step(const job *j, const rq512 *params, int i, shape s) {
    __m512i a[4];
    for (int v = 0; v < 4; v++) a[v] = _mm512_load_si512(j->acc + 64 * i + 16 * v);
    __m512i q = rq512_q15(params, a, 1, params->left, s.tall ? RQ_QUAD : RQ_PAIR);
    if (s.contiguous && j->dense) {
        int8_t *out = j->out + 64 * i;
        if (j->add) q = add_vector(q, _mm512_loadu_si512(out + j->residual), j->add);
        _mm512_storeu_si512(out, q);
    } else {
        if (j->add) q = add_vector(q, load_rows(j, i, s), j->add);
        store_rows(j, i, q, s);
    }
}
INLINE void finish_until(const job *j, const rq512 *params, int *i, int end, shape s) {
#pragma GCC unroll 8
    for (; *i < end; ++*i) finish_step(j, params, *i, s);
}

/* Weights to bring to the second-level cache, some lines a step: the next panel while this one is multiplied. A network's weights come
 * from the third level or from memory at each run, and the hardware's prefetchers stop at every page. */
typedef struct {
    const int8_t *at;
    int64_t lines;
} ahead;

#define LOAD_LEFT(tile, from)               \
    if (s.stream)                           \
        _tile_stream_loadd(tile, from, lda); \
    else                                    \
        _tile_loadd(tile, from, lda);

/* One product of 64 deep into the four accumulators, `after` (steps of the job before) behind each half. */
#define TILES(after)                            \
    LOAD_LEFT(4, from)                          \
    _tile_loadd(6, b, 128);                     \
    _tile_dpbssd(0, 4, 6);                      \
    if (s.tall) {                               \
        LOAD_LEFT(5, from + 16 * lda)           \
        _tile_dpbssd(1, 5, 6);                  \
        after;                                  \
        LOAD_LEFT(4, from + 32 * lda)           \
        _tile_dpbssd(2, 4, 6);                  \
        LOAD_LEFT(5, from + 48 * lda)           \
        _tile_dpbssd(3, 5, 6);                  \
    } else {                                    \
        _tile_loadd(7, b + 64, 128);            \
        _tile_dpbssd(1, 4, 7);                  \
        after;                                  \
        LOAD_LEFT(5, from + 16 * lda)           \
        _tile_dpbssd(2, 5, 6);                  \
        _tile_dpbssd(3, 5, 7);                  \
    }                                           \
    after;                                      \
    for (int64_t l = 0; l < w->lines; l++, w->at += 64) _mm_prefetch((const char *)w->at, _MM_HINT_T1);

/* The product of the rows from `a` on with a panel, while job j is finished (`busy`: there is one): its steps follow the products where
 * those are few, and stand around the stores otherwise, which wait for the last products. */
INLINE void product(const intq_conv2d *p, const int8_t *a, const int8_t *b, int32_t *acc, const job *j, ahead *w, int busy, shape s) {
    const int64_t lda = p->lda;
    const rq512 params = *j->q; /* in registers */
    const int pitch = s.tall ? 64 : 128, half = s.tall ? 256 : 16;
    int done = busy ? 0 : STEPS;
    __asm__ volatile("" ::: "memory"); /* gcc 12's tile loads do not say that they read memory */
    _tile_zero(0);
    _tile_zero(1);
    _tile_zero(2);
    _tile_zero(3);
    if (s.segs) {
        const int each = s.segs == 1 ? 4 : 2;
#pragma GCC unroll 3
        for (int segment = 0; segment < s.segs; segment++, b += 2048) {
            const int8_t *from = a + (s.segs == 1 ? 0 : p->seg_offset[segment]);
            TILES(if (busy) finish_until(j, &params, &done, done + each, s))
        }
    } else {
        const int64_t segs = p->segs; /* of 64 each: prepare cut them */
        const int early = !busy ? 0 : segs <= 4 ? 8 : 12, each = segs <= 4 ? 4 : 1;
        for (int64_t segment = 0; segment < segs; segment++, b += 2048) {
            const int8_t *from = a + p->seg_offset[segment];
            TILES(if (done < early) finish_until(j, &params, &done, done + each, s))
        }
    }
    finish_until(j, &params, &done, 12, s);
    _tile_stored(0, acc, pitch);
    _tile_stored(1, acc + half, pitch);
    finish_until(j, &params, &done, STEPS, s);
    _tile_stored(2, acc + OUTPUTS / 2, pitch);
    _tile_stored(3, acc + OUTPUTS / 2 + half, pitch);
}

/* Panels [first, last) of a block of at least as many rows as tiles have. */
INLINE void mixed(const intq_conv2d *p, const conv_block *b, int64_t group, int64_t first, int64_t last, int32_t *acc, int8_t *const *rows,
                  const int8_t *residual, int8_t *y, shape s) {
    rq512 q[2];
    const add_constants add = residual ? add_constants_of(p->residual) : (add_constants){0};
    job j = {.q = q, .add = residual ? &add : NULL, .residual = residual ? (int64_t)((uintptr_t)residual - (uintptr_t)y) : 0}; /* no accumulators yet */
    int turn = 0;
    const int64_t height = s.tall ? 64 : 32, tiles = (b->rows + height - 1) / height;
    const int fetch = b->out == 0 || p->m_blocks < 8; /* of many blocks, the first one has fetched it */
    for (int64_t panel = first; panel < last; panel++) {
        const conv_panel c = conv_panel_of(p, group, panel);
        rq512 *now = q + (panel & 1);
        rq512_load_q15(now, &p->rq, c.channel, c.n, s.tall ? RQ_QUAD : RQ_PAIR);
        ahead w = {c.weights + p->panel_bytes, fetch ? (32 + tiles - 1) / tiles : 0};
        for (int64_t i = 0; i < b->rows; i += height, turn ^= 1) {
            const int64_t row = conv_min(i, b->rows - height); /* the last tile overlaps the one before */
            int32_t *tile = acc + turn * OUTPUTS;
            if (j.acc)
                product(p, b->a + row * p->lda, c.weights, tile, &j, &w, 1, s);
            else
                product(p, b->a + row * p->lda, c.weights, tile, &j, &w, 0, s);
            j.acc = tile;
            j.q = now;
            j.rows = rows + row;
            j.out = y + (b->out + row) * p->oc + c.channel;
            j.stride = p->oc;
            j.channel = c.channel;
            j.columns = (__mmask32)mask64(c.n);
            j.dense = p->oc == c.n && c.n == (s.tall ? 16 : 32);
        }
    }
    for (int i = 0; i < STEPS && j.acc; i++) finish_step(&j, j.q, i, s);
}
#endif
