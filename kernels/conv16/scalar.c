/* conv16 in plain C, and the preparation that all rows share. */
#include <stdlib.h>

#include "conv16/requant_plain.h"

static void gemm(int64_t m, int64_t n, int64_t segs, int64_t k, const int8_t *a, int64_t lda, const int64_t *seg_offset, const int8_t *b,
                 const int32_t *init, int32_t *acc) {
    (void)n;
    (void)init;
    for (int64_t i = 0; i < m; i++, acc += 16) {
        const int16_t *w = (const int16_t *)b;
        for (int j = 0; j < 16; j++) acc[j] = 0;
        for (int64_t s = 0; s < segs; s++) {
            const int16_t *x = (const int16_t *)(a + i * lda + seg_offset[s]);
            for (int64_t q = 0; q < (k + 2) / 4; q++, w += 32)
                for (int j = 0; j < 16; j++) acc[j] += x[2 * q] * w[2 * j] + x[2 * q + 1] * w[2 * j + 1];
        }
    }
}

#define CONV16_GEMM gemm
#define CONV16_COLUMNS 16
#define CONV16_FLAGS 0
#include "conv16/conv16.inc"

enum { INPUT = 1 << 15 }; /* the largest absolute value of an input */

/* Whether every sum over `piece` bytes of a segment fits int32; pieces begin at multiples of it. */
static int fits(const intq_conv2d *v, int64_t segs, int64_t seg_k, int64_t piece) {
    const int16_t *w = (const int16_t *)v->weights;
    for (int64_t row = 0; row < v->oc * segs; row++, w += seg_k / 2)
        for (int64_t k = 0; k < seg_k; k += piece) {
            int64_t sum = 0;
            for (int64_t i = k / 2; i < conv_min(k + piece, seg_k) / 2; i++) sum += abs(w[i]);
            if (sum * INPUT > INT32_MAX) return 0;
        }
    return 1;
}

int64_t intq_conv16_prepare(intq_conv16 *p, intq_gemm_fn *gemm_row, int32_t columns, int32_t flags, uint8_t *packed) {
    intq_conv2d *v = &p->conv;
    v->gemm = gemm_row;
    v->nr = columns;
    v->kr = v->ku = 4;
    v->flags = flags;
    const int64_t total = intq_conv2d_prepare(v, packed), all = v->segs * v->seg_k;
    p->piece = 0;
    if (!fits(v, 1, all, all))
        for (p->piece = v->seg_k; !fits(v, v->segs, v->seg_k, p->piece);) p->piece = conv_round_up(p->piece / 2, 4);
    p->sums_at = conv_round_up(v->scratch_bytes, 64);
    p->units = v->units;
    p->scratch_bytes = p->sums_at + (p->piece ? (int64_t)v->chunk * conv_widest(v) * (int64_t)sizeof(int64_t) : 0);
    return total;
}

CONV16_ROW(scalar)
