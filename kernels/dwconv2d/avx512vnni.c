/* dwconv2d with vpdpbusd, 64 channels at a time: the bytes of up to four input rows are interleaved to groups of four once per column,
 * and each group is multiplied by the weights of one kernel column.
 *
 *   rows2    3x3, stride 1: four input rows make two output rows; three columns stay in registers
 *   step2    three columns wide, up to four rows high, horizontal stride 2: two new columns per output pixel
 *   one      1x1: a factor and a bias for every channel
 *   columns  any kernel, stride and dilation: interleaved columns of a piece of the row lie in scratch
 *
 * A last block of up to 32 or 16 channels puts 2 or 4 strips of output rows beside each other into one vector.
 * The lane order that unpacking leaves is RQ_LANES. Rows outside the image point at a row of zero points behind the weights.
 * What this file does not do (channel multipliers, weights that do not fit int8 without their zero point) the scalar kernel does. */
#include <string.h>

#include "vec/avx512vnni.h"

enum { BAND = 8, COLUMN_BYTES = 24 << 10, MAX_KH = 16 };

intq_kernel_fn intq_dwconv2d_any_scalar;
intq_prepare_fn intq_dwconv2d_any_scalar_prepare;
intq_finish_fn intq_finish_q15_avx512vnni, intq_finish_shift_avx512vnni, intq_finish_q31_single_avx512vnni, intq_finish_q31_double_avx512vnni;

static inline int64_t min64(int64_t a, int64_t b) { return a < b ? a : b; }
static inline int is_rows2(const intq_dwconv2d *p) {
    return p->kh == 3 && p->kw == 3 && p->stride_h == 1 && p->stride_w == 1 && p->dilation_h == 1 && p->dilation_w == 1;
}
static inline int is_step2(const intq_dwconv2d *p) { return p->kh <= 4 && p->kw == 3 && p->stride_w == 2 && p->dilation_w == 1; }
static inline int is_one(const intq_dwconv2d *p) { return p->kh * p->kw == 1 && p->stride_h * p->stride_w == 1 && p->oh == p->h && p->ow == p->w; }
static inline int64_t block_bytes(const intq_dwconv2d *p) { return 256 * (is_rows2(p) ? 6 : p->kw * ((p->kh + 3) / 4)); }

/* Everything that the loops need of one block of channels. */
typedef struct {
    const intq_dwconv2d *p;
    const int8_t *x, *zeros, *weights; /* x: this image from the block's first channel on */
    int8_t *y;
    int64_t row0, row1, channels; /* output rows */
    uint8_t *scratch;
} block;

/* Input row `y` of this image. */
INLINE const int8_t *input_row(const block *b, int64_t y) { return y < 0 || y >= b->p->h ? b->zeros : b->x + y * b->p->w * b->p->c; }

/* The input rows of output row y, in groups of four (rows beyond kh meet zero weights); returns where its outputs go. */
INLINE int8_t *strip_rows(const block *b, int64_t y, int64_t groups, int strip, const int8_t *(*rows)[4]) {
    const intq_dwconv2d *p = b->p;
    for (int r = 0; r < 4 * groups; r++)
        rows[r][strip] = input_row(b, y * p->stride_h - p->pad_top + (r < p->kh ? r : 0) * p->dilation_h);
    return b->y + y * p->ow * p->oc;
}

/* One pixel of each strip, as unsigned bytes. Reading past the strip's channels is harmless. */
INLINE __m512i load(const int8_t *const *row, int64_t at, int strips) {
    __m512i v;
    if (strips == 1)
        v = _mm512_loadu_si512(row[0] + at);
    else if (strips == 2)
        v = _mm512_inserti64x4(_mm512_castsi256_si512(_mm256_loadu_si256((const void *)(row[0] + at))),
                               _mm256_loadu_si256((const void *)(row[1] + at)), 1);
    else {
        const __m256i a = _mm256_inserti128_si256(_mm256_castsi128_si256(_mm_loadu_si128((const void *)(row[0] + at))),
                                                  _mm_loadu_si128((const void *)(row[1] + at)), 1);
        const __m256i c = _mm256_inserti128_si256(_mm256_castsi128_si256(_mm_loadu_si128((const void *)(row[2] + at))),
                                                  _mm_loadu_si128((const void *)(row[3] + at)), 1);
        v = _mm512_inserti64x4(_mm512_castsi256_si512(a), c, 1);
    }
    return _mm512_xor_si512(v, _mm512_set1_epi8(-128));
}

INLINE void interleave(__m512i *out, __m512i a, __m512i b, __m512i c, __m512i d) {
    const __m512i ab = _mm512_unpacklo_epi8(a, b), AB = _mm512_unpackhi_epi8(a, b);
    const __m512i cd = _mm512_unpacklo_epi8(c, d), CD = _mm512_unpackhi_epi8(c, d);
    out[0] = _mm512_unpacklo_epi16(ab, cd);
    out[1] = _mm512_unpackhi_epi16(ab, cd);
    out[2] = _mm512_unpacklo_epi16(AB, CD);
    out[3] = _mm512_unpackhi_epi16(AB, CD);
}

/* Column x of four input rows; the zero point outside the image. rows[4][strips]. */
INLINE void column(__m512i *out, const block *b, const int8_t *const (*rows)[4], int64_t x, int strips) {
    const int64_t at = x * b->p->c;
    if (x < 0 || x >= b->p->w)
        out[0] = out[1] = out[2] = out[3] = _mm512_set1_epi8((int8_t)(b->p->x_zero_point ^ -128));
    else
        interleave(out, load(rows[0], at, strips), load(rows[1], at, strips), load(rows[2], at, strips), load(rows[3], at, strips));
}

INLINE void store(int8_t *const *to, int64_t at, int64_t channels, int strips, __m512i q) {
    if (strips == 1)
        _mm512_mask_storeu_epi8(to[0] + at, mask64(channels), q);
    else if (strips == 2) {
        _mm256_mask_storeu_epi8(to[0] + at, (__mmask32)mask64(channels), _mm512_castsi512_si256(q));
        _mm256_mask_storeu_epi8(to[1] + at, (__mmask32)mask64(channels), _mm512_extracti64x4_epi64(q, 1));
    } else {
        _mm_mask_storeu_epi8(to[0] + at, mask16(channels), _mm512_castsi512_si128(q));
        _mm_mask_storeu_epi8(to[1] + at, mask16(channels), _mm512_extracti32x4_epi32(q, 1));
        _mm_mask_storeu_epi8(to[2] + at, mask16(channels), _mm512_extracti32x4_epi32(q, 2));
        _mm_mask_storeu_epi8(to[3] + at, mask16(channels), _mm512_extracti32x4_epi32(q, 3));
    }
}

/* Adds one interleaved column times one kernel column (four vectors of each). */
INLINE void multiply(__m512i *acc, const __m512i *column, const int8_t *weights) {
    for (int k = 0; k < 4; k++) acc[k] = _mm512_dpbusd_epi32(acc[k], column[k], _mm512_load_si512(weights + 64 * k));
}

#define DEPTHWISE(rounding, fast)                                                                                                           \
    /* Output pixel x of one row from columns c0, c1, c2. */                                                                          \
    INLINE void pixel_##rounding(const block *b, const rq512 *q, const int8_t *weights, int8_t *const *to, int64_t x,                 \
                                 const __m512i *c0, const __m512i *c1, const __m512i *c2, int left, int strips, rq512_layout layout) { \
        __m512i acc[4] = {q->b[0], q->b[1], q->b[2], q->b[3]};                                                                        \
        multiply(acc, c0, weights);                                                                                                   \
        multiply(acc, c1, weights + 256);                                                                                             \
        multiply(acc, c2, weights + 512);                                                                                             \
        store(to, x * b->p->oc, b->channels, strips, rq512_##rounding(q, acc, 0, left, layout));                                      \
    }                                                                                                                                 \
    INLINE void pixel2_##rounding(const block *b, const rq512 *q, int8_t *const (*to)[4], int64_t x, const __m512i *c0,               \
                                  const __m512i *c1, const __m512i *c2, int left, int strips, rq512_layout layout) {                  \
        pixel_##rounding(b, q, b->weights, to[0], x, c0, c1, c2, left, strips, layout);                                               \
        pixel_##rounding(b, q, b->weights + 768, to[1], x, c0, c1, c2, left, strips, layout);                                         \
    }                                                                                                                                 \
    INLINE void rows2_##rounding(const block *b, const rq512 *q, int64_t row, int left, int strips, rq512_layout layout) {            \
        const intq_dwconv2d *p = b->p;                                                                                                \
        const int8_t *rows[4][4];                                                                                                     \
        int8_t *to[2][4];                                                                                                             \
        for (int s = 0; s < strips; s++) {                                                                                            \
            const int64_t first = min64(row + 2 * s, b->row1 - 1), second = min64(first + 1, b->row1 - 1);                            \
            for (int r = 0; r < 4; r++) rows[r][s] = input_row(b, first - p->pad_top + r);                                            \
            to[0][s] = b->y + first * p->ow * p->oc;                                                                                  \
            to[1][s] = second > first ? b->y + second * p->ow * p->oc : (int8_t *)b->scratch; /* dropped */                           \
        }                                                                                                                             \
        __m512i c0[4], c1[4], c2[4];                                                                                                  \
        column(c0, b, (const int8_t *const(*)[4])rows, -p->pad_left, strips);                                                         \
        column(c1, b, (const int8_t *const(*)[4])rows, 1 - p->pad_left, strips);                                                      \
        for (int64_t x = 0;; x += 3) {                                                                                                \
            if (x >= p->ow) break;                                                                                                    \
            column(c2, b, (const int8_t *const(*)[4])rows, x + 2 - p->pad_left, strips);                                              \
            pixel2_##rounding(b, q, (int8_t *const(*)[4])to, x, c0, c1, c2, left, strips, layout);                                    \
            if (x + 1 >= p->ow) break;                                                                                                \
            column(c0, b, (const int8_t *const(*)[4])rows, x + 3 - p->pad_left, strips);                                              \
            pixel2_##rounding(b, q, (int8_t *const(*)[4])to, x + 1, c1, c2, c0, left, strips, layout);                                \
            if (x + 2 >= p->ow) break;                                                                                                \
            column(c1, b, (const int8_t *const(*)[4])rows, x + 4 - p->pad_left, strips);                                              \
            pixel2_##rounding(b, q, (int8_t *const(*)[4])to, x + 2, c2, c0, c1, left, strips, layout);                                \
        }                                                                                                                             \
    }                                                                                                                                 \
    INLINE void step2_##rounding(const block *b, const rq512 *q, int64_t row, int left, int strips, rq512_layout layout) {            \
        const intq_dwconv2d *p = b->p;                                                                                                \
        const int8_t *rows[4][4];                                                                                                     \
        int8_t *to[4];                                                                                                                \
        for (int s = 0; s < strips; s++) to[s] = strip_rows(b, min64(row + s, b->row1 - 1), 1, s, rows);                              \
        __m512i c0[4], c1[4], c2[4];                                                                                                  \
        column(c0, b, (const int8_t *const(*)[4])rows, -p->pad_left, strips);                                                         \
        for (int64_t x = 0; x < p->ow; x += 2) {                                                                                      \
            column(c1, b, (const int8_t *const(*)[4])rows, 2 * x + 1 - p->pad_left, strips);                                          \
            column(c2, b, (const int8_t *const(*)[4])rows, 2 * x + 2 - p->pad_left, strips);                                          \
            pixel_##rounding(b, q, b->weights, (int8_t *const *)to, x, c0, c1, c2, left, strips, layout);                             \
            if (x + 1 >= p->ow) break;                                                                                                \
            column(c1, b, (const int8_t *const(*)[4])rows, 2 * x + 3 - p->pad_left, strips);                                          \
            column(c0, b, (const int8_t *const(*)[4])rows, 2 * x + 4 - p->pad_left, strips);                                          \
            pixel_##rounding(b, q, b->weights, (int8_t *const *)to, x + 1, c2, c1, c0, left, strips, layout);                         \
        }                                                                                                                             \
    }                                                                                                                                 \
    INLINE void columns_##rounding(const block *b, const rq512 *q, int64_t row, int left, int strips, rq512_layout layout) {          \
        const intq_dwconv2d *p = b->p;                                                                                                \
        const int64_t groups = (p->kh + 3) / 4, column_bytes = 256 * groups, step = p->stride_w * column_bytes;                       \
        const int8_t *rows[MAX_KH][4];                                                                                                \
        int8_t *to[4];                                                                                                                \
        for (int s = 0; s < strips; s++) to[s] = strip_rows(b, min64(row + s, b->row1 - 1), groups, s, rows);                         \
        const int64_t reach = (p->kw - 1) * p->dilation_w + 1, fit = (COLUMN_BYTES / column_bytes - reach) / p->stride_w + 1;         \
        const int64_t piece = fit > 2 ? fit : 2;                                                                                      \
        for (int64_t x0 = 0; x0 < p->ow; x0 += piece) {                                                                               \
            const int64_t n = min64(piece, p->ow - x0), count = (n - 1) * p->stride_w + reach;                                        \
            uint8_t *c = b->scratch;                                                                                                  \
            for (int64_t i = 0; i < count; i++)                                                                                       \
                for (int64_t g = 0; g < groups; g++, c += 256)                                                                        \
                    column((__m512i *)c, b, (const int8_t *const(*)[4])(rows + 4 * g), x0 * p->stride_w - p->pad_left + i, strips);   \
            for (int64_t i = 0; i < n; i += 2) {                                                                                      \
                const uint8_t *from = b->scratch + i * step, *w = (const uint8_t *)b->weights;                                        \
                const int64_t second = i + 1 < n ? step : 0;                                                                          \
                __m512i u[4] = {q->b[0], q->b[1], q->b[2], q->b[3]}, v[4] = {q->b[0], q->b[1], q->b[2], q->b[3]};                     \
                for (int64_t kw = 0; kw < p->kw; kw++, from += p->dilation_w * column_bytes)                                          \
                    for (int64_t at = 0; at < column_bytes; at += 256, w += 256)                                                      \
                        for (int k = 0; k < 256; k += 64) {                                                                           \
                            const __m512i weight = _mm512_load_si512(w + k);                                                          \
                            u[k / 64] = _mm512_dpbusd_epi32(u[k / 64], _mm512_load_si512(from + at + k), weight);                     \
                            v[k / 64] = _mm512_dpbusd_epi32(v[k / 64], _mm512_load_si512(from + at + k + second), weight);            \
                        }                                                                                                             \
                store((int8_t *const *)to, (x0 + i) * p->oc, b->channels, strips, rq512_##rounding(q, u, 0, left, layout));           \
                if (second)                                                                                                           \
                    store((int8_t *const *)to, (x0 + i + 1) * p->oc, b->channels, strips, rq512_##rounding(q, v, 0, left, layout));   \
            }                                                                                                                         \
        }                                                                                                                             \
    }                                                                                                                                 \
    INLINE void one_##rounding(const block *b, const rq512 *q, int left, rq512_layout layout) {                                       \
        const int64_t c = b->p->c, end = b->row1 * b->p->ow, together = b->channels == c && (c == 16 || c == 32) ? 64 / c : 1;          \
        const __m512i zero = _mm512_setzero_si512(), flip = _mm512_set1_epi8((char)0x80);                                             \
        for (int64_t i = b->row0 * b->p->ow; i < end; i += together) {                                                                \
            const __m512i v = _mm512_xor_si512(_mm512_loadu_si512(b->x + i * c), flip);                                               \
            const __m512i low = _mm512_unpacklo_epi8(v, zero), high = _mm512_unpackhi_epi8(v, zero);                                  \
            const __m512i column[4] = {_mm512_unpacklo_epi16(low, zero), _mm512_unpackhi_epi16(low, zero),                            \
                                       _mm512_unpacklo_epi16(high, zero), _mm512_unpackhi_epi16(high, zero)};                         \
            __m512i acc[4] = {q->b[0], q->b[1], q->b[2], q->b[3]};                                                                    \
            multiply(acc, column, b->weights);                                                                                        \
            const int64_t bytes = together == 1 ? b->channels : min64(64, (end - i) * c);                                             \
            _mm512_mask_storeu_epi8(b->y + i * c, mask64(bytes), rq512_##rounding(q, acc, 0, left, layout));                          \
        }                                                                                                                             \
    }                                                                                                                                 \
    INLINE void strips_##rounding(const block *b, int64_t channel, int strips, rq512_layout layout) {                                 \
        rq512 q;                                                                                                                      \
        rq512_load_##rounding(&q, &b->p->rq, channel, b->channels, layout);                                                           \
        if (is_one(b->p))                                                                                                             \
            if (q.left)                                                                                                               \
                one_##rounding(b, &q, 1, layout);                                                                                     \
            else                                                                                                                      \
                one_##rounding(b, &q, 0, layout);                                                                                     \
        else if (fast && is_rows2(b->p))                                                                                              \
            for (int64_t row = b->row0; row < b->row1; row += 2 * strips)                                                             \
                if (q.left || fast == 1)                                                                                              \
                    rows2_##rounding(b, &q, row, 1, strips, layout);                                                                  \
                else                                                                                                                  \
                    rows2_##rounding(b, &q, row, 0, strips, layout);                                                                  \
        else if (fast && is_step2(b->p))                                                                                              \
            for (int64_t row = b->row0; row < b->row1; row += strips)                                                                 \
                if (q.left || fast == 1)                                                                                              \
                    step2_##rounding(b, &q, row, 1, strips, layout);                                                                  \
                else                                                                                                                  \
                    step2_##rounding(b, &q, row, 0, strips, layout);                                                                  \
        else                                                                                                                          \
            for (int64_t row = b->row0; row < b->row1; row += strips) columns_##rounding(b, &q, row, 1, strips, layout);              \
    }                                                                                                                                 \
    static void block_##rounding(const block *b, int64_t channel) {                                                                   \
        if (b->channels > 32)                                                                                                         \
            strips_##rounding(b, channel, 1, RQ_LANES);                                                                               \
        else if (b->channels > 16)                                                                                                    \
            strips_##rounding(b, channel, 2, RQ_LANES_PAIR);                                                                          \
        else                                                                                                                          \
            strips_##rounding(b, channel, 4, RQ_LANES_QUAD);                                                                          \
    }
/* Inlined code is large: rows2 and step2 twice for q15 (with and without shifts left), once for imports' usual rounding, else never. */
DEPTHWISE(q15, 2)
DEPTHWISE(shift, 0)
DEPTHWISE(q31_single, 0)
DEPTHWISE(q31_double, 1)

void intq_dwconv2d_any_avx512vnni(const void *params, void *const *io, int64_t begin, int64_t end, uint8_t *scratch) {
    const intq_dwconv2d *p = params;
    if (!p->packed) {
        intq_dwconv2d_any_scalar(params, io, begin, end, scratch);
        return;
    }
    const int64_t blocks = (p->c + 63) / 64, bands = (p->oh + BAND - 1) / BAND;
    for (int64_t unit = begin; unit < end; unit++) {
        const int64_t channel = unit % blocks * 64, row0 = unit / blocks % bands * BAND, image = unit / blocks / bands;
        const block b = {.p = p,
                         .x = (const int8_t *)io[0] + image * p->h * p->w * p->c + channel,
                         .zeros = p->packed + blocks * block_bytes(p),
                         .weights = p->packed + channel / 64 * block_bytes(p),
                         .y = (int8_t *)io[1] + image * p->oh * p->ow * p->oc + channel,
                         .row0 = row0,
                         .row1 = min64(row0 + BAND, p->oh),
                         .channels = min64(64, p->c - channel),
                         .scratch = scratch};
        if (p->finish == intq_finish_q15_avx512vnni)
            block_q15(&b, channel);
        else if (p->finish == intq_finish_shift_avx512vnni)
            block_shift(&b, channel);
        else if (p->finish == intq_finish_q31_single_avx512vnni)
            block_q31_single(&b, channel);
        else
            block_q31_double(&b, channel);
    }
}

/* Does the vector code do this one? */
static int supported(const intq_dwconv2d *p) {
    if (p->multiplier != 1 || p->kh > MAX_KH) return 0;
    if (p->finish == intq_finish_q31_single_avx512vnni) {
        for (int64_t o = 0; o < p->oc; o++)
            if (p->rq.right[o] < 31) return 0;
    } else if (p->finish != intq_finish_q15_avx512vnni && p->finish != intq_finish_shift_avx512vnni && p->finish != intq_finish_q31_double_avx512vnni)
        return 0;
    for (int64_t i = 0; i < (int64_t)p->kh * p->kw * p->oc; i++)
        if (p->weights[i] - p->w_zero_point < -128 || p->weights[i] - p->w_zero_point > 127) return 0;
    return 1;
}

/* Four taps of channel `o`, down from kernel row kh0 on, in column kw; zero outside the kernel. */
static void pack_group(const intq_dwconv2d *p, int8_t *to, int64_t o, int64_t kh0, int64_t kw) {
    for (int64_t t = 0; t < 4; t++) {
        const int64_t kh = kh0 + t;
        to[t] = kh < 0 || kh >= p->kh || o >= p->oc ? 0 : (int8_t)(p->weights[(kh * p->kw + kw) * p->oc + o] - p->w_zero_point);
    }
}

static void pack_block(const intq_dwconv2d *p, int8_t *to, int64_t channel) {
    const int64_t left = p->c - channel, width = left > 32 ? 64 : left > 16 ? 32 : 16, groups = (p->kh + 3) / 4;
    const int64_t sets = is_rows2(p) ? 6 : p->kw * groups; /* vectors of four: rows2 [row][kw], columns [kw][group] */
    for (int64_t i = 0; i < sets; i++)
        for (int64_t at = 0; at < 64; at++) { /* the group of four bytes, in memory order: vector, lane, group in the lane */
            const int64_t o = channel + (at / 4 % 4 * 16 + at / 16 * 4 + at % 4) % width;
            pack_group(p, to + 256 * i + 4 * at, o, is_rows2(p) ? -(i / 3) : i % groups * 4, is_rows2(p) ? i % 3 : i / groups);
        }
}

int64_t intq_dwconv2d_any_avx512vnni_prepare(void *params, uint8_t *packed) {
    intq_dwconv2d *p = params;
    if (!supported(p)) {
        p->packed = NULL;
        return intq_dwconv2d_any_scalar_prepare(params, packed);
    }
    const int64_t blocks = (p->c + 63) / 64, weights = blocks * block_bytes(p), zeros = (int64_t)p->w * p->c + INTQ_SLACK;
    const int64_t line = (int64_t)p->ow * p->oc, columns = (COLUMN_BYTES / 256 + p->kw * p->dilation_w + 2 * p->stride_w) * 256 * ((p->kh + 3) / 4);
    p->units = (int64_t)p->n * blocks * ((p->oh + BAND - 1) / BAND);
    p->scratch_bytes = (line > columns ? line : columns) + INTQ_SLACK;
    if (!packed) return weights + zeros;
    for (int64_t i = 0; i < blocks; i++) pack_block(p, (int8_t *)packed + i * block_bytes(p), i * 64);
    memset(packed + weights, p->x_zero_point, (size_t)zeros);
    p->packed = (const int8_t *)packed;
    for (int64_t o = 0; o < p->oc; o++) {
        int32_t sum = 0;
        for (int64_t t = 0; t < (int64_t)p->kh * p->kw; t++) sum += p->weights[t * p->oc + o] - p->w_zero_point;
        p->bias[o] -= (p->x_zero_point + 128) * sum;
    }
    return weights + zeros;
}
