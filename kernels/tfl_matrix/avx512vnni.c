/* Products of two activations (SPEC_tflite.md, T23): panels of up to 64 columns of b, packed in fours of the depth when they are needed, times blocks of
 * up to six rows of a. With a' = a + 128, which is unsigned:
 *   sum((a - za) * (b - zb)) = sum(a' * b) - (za + 128) * sum(b) - zb * sum(a') + depth * (za + 128) * zb
 * where 32 bits may wrap on the way, for the total does not leave them. */
#ifndef __AVX512VNNI__
#error "compile with the flags of avx512vnni in isa.def"
#endif
#include "tfl.h"
#include <immintrin.h>
#include <string.h>

#define INLINE static inline __attribute__((always_inline))
enum { ROWS = 6, LANES = 16, VECTORS = 4, COLUMNS = LANES * VECTORS };

INLINE __mmask16 first16(int64_t n) { return (__mmask16)(n >= 16 ? 0xFFFF : n <= 0 ? 0 : (1u << n) - 1); }
INLINE __mmask64 first64(int64_t n) { return n >= 64 ? ~UINT64_C(0) : n <= 0 ? 0 : (UINT64_C(1) << n) - 1; }

/* b[depth][cols] from column j on: 16 columns of four rows become 16 fours. */
INLINE __m512i fours(const int8_t *b, int64_t cols, int64_t left, __mmask16 some) {
    __m128i r[4];
    for (int t = 0; t < 4; t++) r[t] = t < left ? _mm_maskz_loadu_epi8(some, b + t * cols) : _mm_setzero_si128();
    const __m128i a = _mm_unpacklo_epi8(r[0], r[1]), c = _mm_unpackhi_epi8(r[0], r[1]);
    const __m128i d = _mm_unpacklo_epi8(r[2], r[3]), e = _mm_unpackhi_epi8(r[2], r[3]);
    __m512i y = _mm512_castsi128_si512(_mm_unpacklo_epi16(a, d));
    y = _mm512_inserti32x4(y, _mm_unpackhi_epi16(a, d), 1);
    y = _mm512_inserti32x4(y, _mm_unpacklo_epi16(c, e), 2);
    return _mm512_inserti32x4(y, _mm_unpackhi_epi16(c, e), 3);
}

/* The panel [depth / 4][vectors][16][4] of columns j to j + n, and what each column adds to its sums. */
static void pack(const intq_tfl_matmul *p, const int8_t *b, int64_t j, int64_t n, int64_t vectors, int8_t *panel, __m512i *terms) {
    const int64_t quads = (p->depth + 3) / 4;
    if (p->adj_b) { /* b[cols][depth]: fours lie together already */
        for (int64_t c = 0; c < vectors * LANES; c++) {
            int8_t *to = panel + c * 4;
            const int8_t *from = b + (j + c) * p->depth;
            for (int64_t q = 0; q < quads; q++) {
                const int64_t left = c < n ? p->depth - 4 * q : 0;
                int32_t four = 0;
                if (left >= 4)
                    memcpy(&four, from + 4 * q, 4);
                else if (left > 0)
                    memcpy(&four, from + 4 * q, (size_t)left);
                memcpy(to + q * vectors * COLUMNS, &four, 4);
            }
        }
    } else
        for (int64_t q = 0; q < quads; q++)
            for (int64_t v = 0; v < vectors; v++) {
                const int8_t *from = b + 4 * q * p->cols + j + v * LANES;
                _mm512_storeu_si512(panel + (q * vectors + v) * COLUMNS, fours(from, p->cols, p->depth - 4 * q, first16(n - v * LANES)));
            }
    const int32_t za = p->a_zero_point + 128;
    for (int64_t v = 0; v < vectors; v++) {
        __m512i sum = _mm512_setzero_si512();
        for (int64_t q = 0; q < quads; q++)
            sum = _mm512_dpbusd_epi32(sum, _mm512_set1_epi8(1), _mm512_loadu_si512(panel + (q * vectors + v) * COLUMNS));
        const int32_t constant = (int32_t)((uint32_t)p->depth * (uint32_t)(za * p->b_zero_point));
        terms[v] = _mm512_sub_epi32(_mm512_set1_epi32(constant), _mm512_mullo_epi32(sum, _mm512_set1_epi32(za)));
    }
}

/* `count` rows of a as a', each `lda` bytes apart with zeros behind the depth; what each row adds to its sums. */
static void take(const intq_tfl_matmul *p, const int8_t *a, int64_t row, int64_t count, uint8_t *to, int64_t lda, int32_t *terms) {
    const __m512i flip = _mm512_set1_epi8(-128);
    for (int64_t i = 0; i < count; i++) {
        uint8_t *y = to + i * lda;
        __m512i sum = _mm512_setzero_si512();
        for (int64_t k = 0; k < lda; k += 64) {
            const __mmask64 some = first64(p->depth - k);
            __m512i x;
            if (p->adj_a) { /* a[depth][rows] */
                int8_t one[64] = {0};
                for (int64_t t = 0; t < 64 && k + t < p->depth; t++) one[t] = a[(k + t) * p->rows + row + i];
                x = _mm512_loadu_si512(one);
            } else
                x = _mm512_maskz_loadu_epi8(some, a + (row + i) * p->depth + k);
            x = _mm512_maskz_mov_epi8(some, _mm512_xor_si512(x, flip));
            sum = _mm512_dpbusd_epi32(sum, x, _mm512_set1_epi8(1));
            _mm512_storeu_si512(y + k, x);
        }
        terms[i] = (int32_t)((uint32_t)_mm512_reduce_add_epi32(sum) * (uint32_t)-p->b_zero_point);
    }
}

/* (F4) */
INLINE __m512i scale31(__m512i v, const intq_tfl_matmul *p) {
    const __m512i m = _mm512_set1_epi32(p->multiplier), nudge = _mm512_set1_epi64(1 << 30);
    const int32_t by = p->shift < 0 ? -p->shift : 0;
    if (p->shift > 0) v = _mm512_sll_epi32(v, _mm_cvtsi32_si128(p->shift));
    const __m512i even = _mm512_add_epi64(_mm512_mul_epi32(v, m), nudge);
    const __m512i odd = _mm512_add_epi64(_mm512_mul_epi32(_mm512_srli_epi64(v, 32), m), nudge);
    v = _mm512_mask_blend_epi32(0xAAAA, _mm512_srli_epi64(even, 31), _mm512_slli_epi64(odd, 1));
    const __m512i mask = _mm512_set1_epi32((int32_t)((1u << by) - 1));
    const __m512i threshold = _mm512_sub_epi32(_mm512_srli_epi32(mask, 1), _mm512_srai_epi32(v, 31));
    const __mmask16 up = _mm512_cmpgt_epi32_mask(_mm512_and_si512(v, mask), threshold);
    const __m512i floor = _mm512_sra_epi32(v, _mm_cvtsi32_si128(by));
    return _mm512_mask_add_epi32(floor, up, floor, _mm512_set1_epi32(1));
}

INLINE void tile(const intq_tfl_matmul *p, int rows, int vectors, int64_t m, int64_t n, const uint8_t *a, int64_t lda, const int32_t *row_terms,
                 const int8_t *panel, const __m512i *terms, int8_t *y) {
    __m512i acc[ROWS][VECTORS];
    for (int i = 0; i < rows; i++)
        for (int v = 0; v < vectors; v++) acc[i][v] = terms[v];
    for (int64_t q = 0; q < (p->depth + 3) / 4; q++) {
        __m512i b[VECTORS];
        for (int v = 0; v < vectors; v++) b[v] = _mm512_loadu_si512(panel + (q * vectors + v) * COLUMNS);
        for (int i = 0; i < rows; i++) {
            int32_t four;
            memcpy(&four, a + i * lda + 4 * q, 4);
            const __m512i x = _mm512_set1_epi32(four);
            for (int v = 0; v < vectors; v++) acc[i][v] = _mm512_dpbusd_epi32(acc[i][v], x, b[v]);
        }
    }
    const __m512i zero = _mm512_set1_epi32(p->y_zero_point), lo = _mm512_set1_epi32(p->lo), hi = _mm512_set1_epi32(p->hi);
    for (int i = 0; i < rows && i < m; i++)
        for (int v = 0; v < vectors; v++) {
            const __m512i q = _mm512_add_epi32(scale31(_mm512_add_epi32(acc[i][v], _mm512_set1_epi32(row_terms[i])), p), zero);
            const __m128i bytes = _mm512_cvtepi32_epi8(_mm512_min_epi32(_mm512_max_epi32(q, lo), hi));
            _mm_mask_storeu_epi8(y + i * p->cols + v * LANES, first16(n - v * LANES), bytes);
        }
}

#define TILE(r, v)    \
    case (r) * 8 + v: \
        return tile(p, r, v, m, n, a, lda, row_terms, panel, terms, y);
#define TILES(r) TILE(r, 1) TILE(r, 2) TILE(r, 3) TILE(r, 4)

static void block(const intq_tfl_matmul *p, int64_t vectors, int64_t m, int64_t n, const uint8_t *a, int64_t lda, const int32_t *row_terms,
                  const int8_t *panel, const __m512i *terms, int8_t *y) {
    switch ((m <= 2 ? m : m <= 4 ? 4 : ROWS) * 8 + vectors) { TILES(1) TILES(2) TILES(4) TILES(6) }
}

/* Rows row to row + count of one matrix; y is the first of them. */
static void matrix(const intq_tfl_matmul *p, const int8_t *a, const int8_t *b, int64_t row, int64_t count, int8_t *y, uint8_t *scratch) {
    const int64_t lda = (p->depth + 63) / 64 * 64;
    uint8_t *taken = scratch;
    int8_t *panel = (int8_t *)scratch + ROWS * lda;
    int32_t row_terms[ROWS] = {0};
    __m512i terms[VECTORS];
    for (int64_t j = 0; j < p->cols; j += COLUMNS) {
        const int64_t n = p->cols - j < COLUMNS ? p->cols - j : COLUMNS, vectors = (n + LANES - 1) / LANES;
        pack(p, b, j, n, vectors, panel, terms);
        for (int64_t i = 0; i < count; i += ROWS) {
            const int64_t m = count - i < ROWS ? count - i : ROWS;
            take(p, a, row + i, m, taken, lda, row_terms);
            block(p, vectors, m, n, taken, lda, row_terms, panel, terms, y + i * p->cols + j);
        }
    }
}

void intq_tfl_batch_matmul_s8_avx512vnni(const void *params, void *const *io, int64_t begin, int64_t end, uint8_t *scratch) {
    const intq_tfl_matmul *p = params;
    for (int64_t unit = begin; unit < end;) {
        const int64_t row = unit % p->rows, count = p->rows - row < end - unit ? p->rows - row : end - unit;
        int64_t rest = unit / p->rows, from_a = 0, from_b = 0;
        for (int d = 3; d >= 0; d--) {
            from_a += rest % p->batch[d] * p->stride_a[d];
            from_b += rest % p->batch[d] * p->stride_b[d];
            rest /= p->batch[d];
        }
        matrix(p, (const int8_t *)io[0] + from_a, (const int8_t *)io[1] + from_b, row, count, (int8_t *)io[2] + unit * p->cols, scratch);
        unit += count;
    }
}
