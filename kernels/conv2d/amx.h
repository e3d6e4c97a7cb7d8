/* Products of AMX tiles mixed with the requantization of the products before them.
 *
 * Tiles and vector instructions run side by side only if the instruction stream mixes them: the out-of-order window is too short to
 * reach over a whole tile. So while 1024 outputs are multiplied, the 1024 before are requantized in 16 steps of 64, spread evenly over
 * the products. Tile instructions run in order: a store waits for its product, and what is behind it waits too. So a store stands behind
 * two products of other accumulators, for the last two accumulators these are the first ones of the next product.
 * Both products share one buffer, so that the first-level cache keeps more of the panel: half of it is requantized before it is written again.
 * The four accumulators are 32 rows by 32 columns, or 64 rows by 16 columns for narrow panels. */
#ifndef INTQ_CONV2D_AMX_H
#define INTQ_CONV2D_AMX_H
#include "vec/amx.h"

#include "elementwise_avx512.h"

#include "add/vector.inc"
#include "conv2d/conv2d.inc"

enum { OUTPUTS = 32 * 32, STEPS = 16, MAX_TOGETHER = 8, TOGETHER_BYTES = 24 << 10 };

/* What a function is compiled for; constants at every call. */
typedef struct {
    int tall;       /* 64 rows by 16 columns */
    int contiguous; /* output rows lie `stride` bytes apart; otherwise `rows` points to them */
    int left;       /* some channel shifts left before it shifts right */
    int q31;        /* rounding q31_single or q31_double, otherwise q15 */
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

INLINE __m512i finish_vector(const job *j, const rq512 *params, int i, shape s) {
    const rq512_layout layout = s.tall ? RQ_QUAD : RQ_PAIR;
    __m512i a[4];
    for (int v = 0; v < 4; v++) a[v] = _mm512_load_si512(j->acc + 64 * i + 16 * v);
    return s.q31 ? rq512_q31_double(params, a, 1, 0, layout) : rq512_q15_held(params, a, s.left, layout);
}
/* What is too long to stand in every product is called. */
static __attribute__((noinline)) __m512i finish_q31(const job *j, int i) { return finish_vector(j, j->q, i, (shape){.q31 = 1}); }
static __attribute__((noinline)) __m512i finish_q31_tall(const job *j, int i) { return finish_vector(j, j->q, i, (shape){.q31 = 1, .tall = 1}); }

/* Step i of a job. Rows that lie side by side are one vector. The residual's code is laid aside: it is the longer way in any case. */
INLINE void finish_step(const job *j, const rq512 *params, int i, shape s) {
    __m512i q = !s.q31 ? finish_vector(j, params, i, s) : s.tall ? finish_q31_tall(j, i) : finish_q31(j, i);
    if (s.contiguous && j->dense) {
        int8_t *out = j->out + 64 * i;
        if (__builtin_expect(j->add != NULL, 0)) q = add_vector(q, _mm512_loadu_si512(out + j->residual), j->add);
        _mm512_storeu_si512(out, q);
    } else {
        if (__builtin_expect(j->add != NULL, 0)) q = add_vector(q, load_rows(j, i, s), j->add);
        store_rows(j, i, q, s);
    }
}
INLINE void finish_steps(const job *j, const rq512 *params, int *i, int steps, shape s) {
#pragma GCC unroll 1
    for (int n = 0; n < steps; n++, ++*i) finish_step(j, params, *i, s);
}

/* Weights to bring to the second-level cache, some lines a step: the next panel while this one is multiplied. A network's weights come
 * from the third level or from memory at each run, and the hardware's prefetchers stop at every page. */
typedef struct {
    const int8_t *at;
    int64_t lines;
} ahead;
INLINE void fetch(ahead *w) {
    for (int64_t l = 0; l < w->lines; l++, w->at += 64) _mm_prefetch((const char *)w->at, _MM_HINT_T1);
}

#define LOAD_LEFT(tile, from)                \
    do {                                     \
        if (s.stream)                        \
            _tile_stream_loadd(tile, from, lda); \
        else                                 \
            _tile_loadd(tile, from, lda);    \
    } while (0)

/* Where the accumulators of one half lie: in rows of 32, or of 16. */
INLINE void store_first(int32_t *acc, int tile, shape s) {
    if (tile == 0)
        _tile_stored(0, acc, s.tall ? 64 : 128);
    else
        _tile_stored(1, acc + (s.tall ? 256 : 16), s.tall ? 64 : 128);
}
INLINE void store_second(int32_t *acc, int tile, shape s) {
    if (tile == 2)
        _tile_stored(2, acc + OUTPUTS / 2, s.tall ? 64 : 128);
    else
        _tile_stored(3, acc + OUTPUTS / 2 + (s.tall ? 256 : 16), s.tall ? 64 : 128);
}

/* One product of 64 deep into the four accumulators, with `steps` steps of a job. The first one of a product (`first`) starts the
 * accumulators and stores the second half of the ones before, the last one stores the first half of its own. */
INLINE void multiply(const int8_t *a, int64_t lda, const int8_t *b, int32_t *acc, const job *j, const rq512 *params, int *i, int steps,
                     int first, int last, shape s) {
    LOAD_LEFT(4, a);
    _tile_loadd(6, b, 128);
    if (first) _tile_zero(0);
    _tile_dpbssd(0, 4, 6);
    if (first) store_second(acc, 2, s);
    if (first) _tile_zero(1);
    if (s.tall) {
        LOAD_LEFT(5, a + 16 * lda);
        _tile_dpbssd(1, 5, 6);
    } else {
        _tile_loadd(7, b + 64, 128);
        _tile_dpbssd(1, 4, 7);
    }
    if (first) store_second(acc, 3, s);
    finish_steps(j, params, i, (steps + 3) / 4, s);
    if (s.tall)
        LOAD_LEFT(7, a + 32 * lda);
    else
        LOAD_LEFT(5, a + 16 * lda);
    finish_steps(j, params, i, (steps + 1) / 4, s);
    if (first) _tile_zero(2);
    if (s.tall) {
        _tile_dpbssd(2, 7, 6);
        LOAD_LEFT(4, a + 48 * lda);
    } else
        _tile_dpbssd(2, 5, 6);
    if (last) store_first(acc, 0, s);
    finish_steps(j, params, i, (steps + 2) / 4, s);
    if (first) _tile_zero(3);
    if (s.tall)
        _tile_dpbssd(3, 4, 6);
    else
        _tile_dpbssd(3, 5, 7);
    if (last) store_first(acc, 1, s);
    finish_steps(j, params, i, steps / 4, s);
}

/* The product of the rows from `a` on with a panel, while the one before (job j, of whose accumulators half are still in tiles) is
 * finished: `steps` of it with each of the first products and the last. */
INLINE void product(const intq_conv2d *p, const int8_t *a, const int8_t *b, int32_t *acc, const job *j, ahead *w, int steps, shape s) {
    const int64_t lda = p->lda, segs = p->segs, *offset = p->seg_offset; /* segments of 64 each: prepare cut them */
    const int ends = steps == STEPS || (steps == 0 && segs == 1);
    const job held = steps ? *j : (job){0}; /* in registers */
    rq512 params;
    if (steps && !s.q31) rq512_hold_q15(&params, j->q, s.left, s.tall ? RQ_QUAD : RQ_PAIR);
    int i = 0;
    __asm__ volatile("" ::: "memory"); /* gcc 12's tile loads do not say that they read memory */
    multiply(a, lda, b, acc, &held, &params, &i, steps, 1, ends, s);
    fetch(w);
    if (ends) return;
    int64_t segment = 1;
    for (; steps && i < STEPS - steps; segment++) {
        multiply(a + offset[segment], lda, b + 2048 * segment, acc, &held, &params, &i, steps, 0, 0, s);
        fetch(w);
    }
    for (; segment < segs - 1; segment++) {
        multiply(a + offset[segment], lda, b + 2048 * segment, acc, &held, &params, &i, 0, 0, 0, s);
        fetch(w);
    }
    multiply(a + offset[segment], lda, b + 2048 * segment, acc, &held, &params, &i, steps, 0, 1, s);
    fetch(w);
}

INLINE void finish_all(const job *j, shape s) {
    rq512 params;
    if (!s.q31) rq512_hold_q15(&params, j->q, s.left, s.tall ? RQ_QUAD : RQ_PAIR);
    for (int i = 0; i < STEPS;) finish_steps(j, &params, &i, 4, s);
}

typedef void product_fn(const intq_conv2d *p, const int8_t *a, const int8_t *b, int32_t *acc, const job *j, ahead *w);

/* The functions of one shape: product[n] finishes 2^n steps with each of the first products. */
typedef struct {
    int tall;
    product_fn *alone, *product[5];
    void (*flush)(int32_t *acc);
    void (*finish)(const job *j);
} shape_functions;

#define PRODUCT(name, steps, ...)                                                                                    \
    static void name(const intq_conv2d *p, const int8_t *a, const int8_t *b, int32_t *acc, const job *j, ahead *w) { \
        product(p, a, b, acc, j, w, steps, (shape){__VA_ARGS__});                                                    \
    }
#define SHAPE(name, is_tall, ...)                                                                                                    \
    PRODUCT(name##_alone, 0, .tall = is_tall, __VA_ARGS__)                                                                            \
    PRODUCT(name##_1, 1, .tall = is_tall, __VA_ARGS__)                                                                                \
    PRODUCT(name##_2, 2, .tall = is_tall, __VA_ARGS__)                                                                                \
    PRODUCT(name##_4, 4, .tall = is_tall, __VA_ARGS__)                                                                                \
    PRODUCT(name##_8, 8, .tall = is_tall, __VA_ARGS__)                                                                                \
    PRODUCT(name##_16, 16, .tall = is_tall, __VA_ARGS__)                                                                              \
    static void name##_flush(int32_t *acc) { store_second(acc, 2, (shape){.tall = is_tall}), store_second(acc, 3, (shape){.tall = is_tall}); } \
    static void name##_finish(const job *j) { finish_all(j, (shape){.tall = is_tall, __VA_ARGS__}); }                                        \
    static const shape_functions name = {is_tall, name##_alone, {name##_1, name##_2, name##_4, name##_8, name##_16}, name##_flush, name##_finish};

typedef void load_fn(rq512 *p, const intq_requant *rq, int64_t channel, int64_t n, rq512_layout layout);

/* The product that waits to be finished by the next one, half of it still in tiles. It goes on from block to block. A bank holds the
 * requantization of a group of panels. */
typedef struct {
    job waiting; /* acc is NULL: nothing waits */
    int32_t *acc;
    rq512 banks[2][MAX_TOGETHER];
    conv_panel panels[MAX_TOGETHER]; /* the current bank's */
    int64_t first, count;
    int bank;
    const shape_functions *f;
    load_fn *load; /* of the rounding; NULL: not one that mixes */
    add_constants add; /* of the residual, if any */
} pipeline;

static void pipeline_flush(pipeline *l) {
    if (!l->waiting.acc) return;
    l->f->flush(l->acc);
    l->f->finish(&l->waiting);
    l->waiting.acc = NULL;
}

INLINE int64_t panels_together(const intq_conv2d *p) {
    const int64_t fit = TOGETHER_BYTES / p->panel_bytes;
    return fit < 1 ? 1 : conv_min(fit, MAX_TOGETHER);
}

/* The next bank: `count` panels from `first` on. The job that waits may still use the other one. */
static void load_bank(pipeline *l, const intq_conv2d *p, int64_t group, int64_t first, int64_t count) {
    const int64_t all = group * p->panels + first;
    if (l->f && l->first == all && l->count == count) return;
    l->bank ^= 1;
    l->first = all;
    l->count = count;
    for (int64_t k = 0; k < count; k++) {
        l->panels[k] = conv_panel_of(p, group, first + k);
        l->load(&l->banks[l->bank][k], &p->rq, l->panels[k].channel, l->panels[k].n, l->f->tall ? RQ_QUAD : RQ_PAIR);
    }
}

/* Panels [first, last) of a block of at least as many rows as tiles have: as many panels together as stay in the L1 cache, so that a tile
 * of rows is read once for all of them, and lines of outputs are complete before they leave it. */
static void mixed(pipeline *l, const intq_conv2d *p, const conv_block *b, int64_t group, int64_t first, int64_t last, int8_t *const *rows,
                  const add_constants *add, int64_t residual, int8_t *y, const shape_functions *f) {
    if (l->f != f) pipeline_flush(l), l->count = 0;
    l->f = f;
    const int64_t height = f->tall ? 64 : 32, tiles = (b->rows + height - 1) / height, together = panels_together(p);
    product_fn *const busy = f->product[p->segs >= 16 ? 0 : p->segs >= 8 ? 1 : p->segs >= 4 ? 2 : p->segs >= 2 ? 3 : 4];
    const int fetch = b->out == 0 || p->m_blocks < 8; /* of many blocks, the first one has fetched it */
    for (int64_t panel = first, n; panel < last; panel += n) {
        n = conv_min(together, last - panel);
        load_bank(l, p, group, panel, n);
        ahead w = {l->panels[n - 1].weights + p->panel_bytes, fetch && panel + n < last ? (32 + tiles - 1) / tiles : 0};
        for (int64_t i = 0; i < b->rows; i += height) {
            const int64_t row = conv_min(i, b->rows - height); /* the last tile overlaps the one before */
            for (int64_t k = 0; k < n; k++) {
                const conv_panel c = l->panels[k];
                (l->waiting.acc ? busy : f->alone)(p, b->a + row * p->lda, c.weights, l->acc, &l->waiting, &w);
                l->waiting = (job){
                    .acc = l->acc,
                    .q = &l->banks[l->bank][k],
                    .rows = rows + row,
                    .out = y + (b->out + row) * p->y_stride + c.channel,
                    .stride = p->y_stride,
                    .channel = c.channel,
                    .columns = (__mmask32)mask64(c.n),
                    .dense = p->y_stride == c.n && c.n == (f->tall ? 16 : 32),
                    .add = add,
                    .residual = residual,
                };
            }
        }
    }
}
#endif
