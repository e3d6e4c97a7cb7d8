/* dense_codes with vpshufb as the codebook and vpdpbusd: a vector of codes is 2 x 16 channels by 4 of K; up to 4 rows share its decoding. */
#ifndef __AVX512VNNI__
#error "compile with the flags of avx512vnni in isa.def"
#endif
#include <string.h>

#include "dense_codes/dense_codes.h"
#include "vec/four512.h"

/* One step: 64 bytes of codes times 4 inputs of each row. */
INLINE void step(int rows, __m512i table, const uint8_t *codes, const uint8_t *x, int64_t ldx, __m512i (*part)[2]) {
    const __m512i low = _mm512_set1_epi8(15), c = _mm512_loadu_si512(codes);
    const __m512i w0 = _mm512_shuffle_epi8(table, _mm512_and_si512(c, low));
    const __m512i w1 = _mm512_shuffle_epi8(table, _mm512_and_si512(_mm512_srli_epi16(c, 4), low));
    _mm_prefetch((const char *)(codes + 4096), _MM_HINT_T0);
#pragma GCC unroll 4
    for (int i = 0; i < rows; i++) {
        const __m512i v = four_bytes(x + i * ldx);
        part[i][0] = _mm512_dpbusd_epi32(part[i][0], v, w0);
        part[i][1] = _mm512_dpbusd_epi32(part[i][1], v, w1);
    }
}

/* `rows` rows by one panel, or one row by two neighbouring panels (`pair`): two streams of codes come faster from memory than one. */
INLINE void panel(int rows, int pair, const intq_dense_codes *p, int64_t unit, const uint8_t *x, int64_t ldx, int32_t *acc) {
    const __m512i table = _mm512_broadcast_i32x4(_mm_loadu_si128((const __m128i *)p->codebook));
    const int64_t codes_apart = codes_panel(p), scales_apart = p->groups * CODES_NR, steps = p->group / 4, all = (p->k + 3) / 4;
    const uint8_t *codes = p->packed + unit * codes_apart, *scales = p->packed_multipliers + unit * scales_apart;
    const int parts = pair ? 2 : rows;
    __m512i sum[4][2];
#pragma GCC unroll 4
    for (int i = 0; i < parts; i++)
        for (int h = 0; h < 2; h++) sum[i][h] = _mm512_loadu_si512(p->rq.bias + (unit + (pair ? i : 0)) * CODES_NR + 16 * h);
    for (int64_t g = 0; g < p->groups; g++, scales += CODES_NR) {
        const int64_t from = g * steps, end = from + steps < all ? from + steps : all;
        __m512i even[4][2], odd[4][2];
#pragma GCC unroll 4
        for (int i = 0; i < parts; i++) even[i][0] = even[i][1] = odd[i][0] = odd[i][1] = _mm512_setzero_si512();
        int64_t s = from;
        for (; s + 2 <= end; s += 2) {
            step(rows, table, codes + 64 * s, x + 4 * s, ldx, even);
            step(rows, table, codes + 64 * s + 64, x + 4 * s + 4, ldx, odd);
            if (pair) step(1, table, codes + codes_apart + 64 * s, x + 4 * s, ldx, even + 1);
            if (pair) step(1, table, codes + codes_apart + 64 * s + 64, x + 4 * s + 4, ldx, odd + 1);
        }
        if (s < end) step(rows, table, codes + 64 * s, x + 4 * s, ldx, even);
        if (pair && s < end) step(1, table, codes + codes_apart + 64 * s, x + 4 * s, ldx, even + 1);
#pragma GCC unroll 4
        for (int i = 0; i < parts; i++)
            for (int h = 0; h < 2; h++) {
                const __m512i m = _mm512_cvtepu8_epi32(_mm_loadu_si128((const __m128i *)(scales + (pair ? i * scales_apart : 0) + 16 * h)));
                sum[i][h] = _mm512_add_epi32(sum[i][h], _mm512_mullo_epi32(m, _mm512_add_epi32(even[i][h], odd[i][h])));
            }
    }
#pragma GCC unroll 4
    for (int i = 0; i < parts; i++)
        for (int h = 0; h < 2; h++) _mm512_storeu_si512(acc + CODES_NR * i + 16 * h, sum[i][h]);
}

void intq_dense_codes_any_avx512vnni(const void *params, void *const *io, int64_t begin, int64_t end, uint8_t *scratch) {
    const intq_dense_codes *p = params;
    const int64_t ldx = (p->k + 67) / 64 * 64;
    int32_t acc[4 * CODES_NR] __attribute__((aligned(64)));
    intq_requant rq = p->rq;
    rq.bias = NULL;
    for (int64_t i = 0; i < p->m; i++)
        for (int64_t k = 0; k < p->k; k++) scratch[i * ldx + k] = ((const uint8_t *)io[0])[i * p->k + k] ^ 128;
    if (p->k % 4) /* codes behind K decode to something: they meet zeros */
        for (int64_t i = 0; i < p->m; i++) memset(scratch + i * ldx + p->k, 0, 4);
    for (int64_t unit = begin, units; unit < end; unit += units) {
        units = p->m == 1 && end - unit >= 2 ? 2 : 1;
        const int64_t channel = unit * CODES_NR, n = p->n - channel < units * CODES_NR ? p->n - channel : units * CODES_NR;
        for (int64_t i = 0; i < p->m;) {
            const int64_t rows = p->m - i >= 4 ? 4 : p->m - i >= 2 ? 2 : 1;
            const uint8_t *x = scratch + i * ldx;
            if (rows == 4)
                panel(4, 0, p, unit, x, ldx, acc);
            else if (rows == 2)
                panel(2, 0, p, unit, x, ldx, acc);
            else if (units == 2)
                panel(1, 1, p, unit, x, ldx, acc);
            else
                panel(1, 0, p, unit, x, ldx, acc);
            p->finish(rows, n, acc, CODES_NR, &rq, channel, (int8_t *)io[1] + i * p->n + channel, p->n);
            i += rows;
        }
    }
}

int64_t intq_dense_codes_any_avx512vnni_prepare(void *params, uint8_t *packed) { return intq_dense_codes_prepare(params, packed, 128); }

enum { LINEAR_ROWS = 2 };

/* Linear codes stay where they are in their bytes: the codes at bit b count 2^b times, in accumulators of their own. */
INLINE void sums(int bits, int rows, const intq_dense_codes *p, int64_t unit, const int8_t *x, int64_t ldx, int32_t *acc) {
    const int64_t vectors = codes_vectors(p);
    const uint8_t *codes = p->packed + unit * vectors * 64;
    const int places = 8 / bits;
    __m512i sum[2][8];
#pragma GCC unroll 2
    for (int i = 0; i < rows; i++)
#pragma GCC unroll 8
        for (int f = 0; f < places; f++) sum[i][f] = _mm512_setzero_si512();
    for (int64_t v = 0; v < vectors; v++) {
        const __m512i c = _mm512_loadu_si512(codes + 64 * v);
        _mm_prefetch((const char *)(codes + 64 * v + 4096), _MM_HINT_T0);
#pragma GCC unroll 8
        for (int f = 0; f < places; f++) {
            const __m512i w = _mm512_and_si512(c, _mm512_set1_epi8((char)(((1 << bits) - 1) << (f * bits))));
#pragma GCC unroll 2
            for (int i = 0; i < rows; i++)
                sum[i][f] = _mm512_dpbusd_epi32(sum[i][f], w, four_bytes(x + i * ldx + 4 * (v * (places / 2) + f / 2)));
        }
    }
    for (int i = 0; i < rows; i++)
        for (int h = 0; h < 2; h++) {
            __m512i total = _mm512_setzero_si512();
#pragma GCC unroll 4
            for (int f = h; f < places; f += 2) total = _mm512_add_epi32(total, _mm512_srai_epi32(sum[i][f], f * bits));
            _mm512_storeu_si512(acc + CODES_NR * i + 16 * h, total);
        }
}

INLINE void linear_sums(const intq_dense_codes *p, int64_t rows, int64_t unit, const int8_t *x, int64_t ldx, int32_t *acc) {
    if (p->bits == 1 && rows == 2)
        sums(1, 2, p, unit, x, ldx, acc);
    else if (p->bits == 1)
        sums(1, 1, p, unit, x, ldx, acc);
    else if (rows == 2)
        sums(2, 2, p, unit, x, ldx, acc);
    else
        sums(2, 1, p, unit, x, ldx, acc);
}

#include "dense_codes/linear.inc"

CODES_LINEAR(avx512vnni)
