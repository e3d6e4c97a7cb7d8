/* mul: 64 products at once, requantized in registers (SPEC 5, q15). An operand that repeats in short runs, as the factor of every channel
 * does, is first laid out as a pattern of whole vectors. Other roundings, and shapes that no network has, go the way of avx2. */
#include <string.h>

#include "vec/avx512vnni.h"

#include "elementwise.h"

enum { PATTERN = 16384 }; /* bytes of scratch */

intq_finish_fn intq_finish_q15_avx512vnni;
intq_kernel_fn intq_mul_any_avx2;

typedef struct {
    __m512i za, zb; /* zero points of operands that are moved to 0..255 */
    rq512 rq;
} constants;

/* Unpacking bytes and words in lanes leaves the order RQ_LANES. */
INLINE __m512i multiply(const constants *k, __m512i a, __m512i b, int left) {
    const __m512i flip = _mm512_set1_epi8((char)0x80), zero = _mm512_setzero_si512(), x = _mm512_xor_si512(a, flip), y = _mm512_xor_si512(b, flip);
    __m512i d[4];
    for (int i = 0; i < 2; i++) {
        const __m512i u = _mm512_sub_epi16(i ? _mm512_unpackhi_epi8(x, zero) : _mm512_unpacklo_epi8(x, zero), k->za);
        const __m512i v = _mm512_sub_epi16(i ? _mm512_unpackhi_epi8(y, zero) : _mm512_unpacklo_epi8(y, zero), k->zb);
        const __m512i low = _mm512_mullo_epi16(u, v), high = _mm512_mulhi_epi16(u, v);
        d[2 * i] = _mm512_unpacklo_epi16(low, high);
        d[2 * i + 1] = _mm512_unpackhi_epi16(low, high);
    }
    return rq512_q15(&k->rq, d, 1, left, RQ_LANES);
}

/* n products of a with b, which begins anew after `period` bytes, whole vectors. */
INLINE void run(const constants *k, const int8_t *a, const int8_t *b, int64_t period, int64_t n, int8_t *y, int left) {
    int64_t i = 0, j = 0;
    for (; i + 64 <= n; i += 64) {
        _mm512_storeu_si512(y + i, multiply(k, _mm512_loadu_si512(a + i), _mm512_loadu_si512(b + j), left));
        j += 64;
        if (j == period) j = 0;
    }
    if (i < n) _mm512_mask_storeu_epi8(y + i, mask64(n - i), multiply(k, _mm512_loadu_si512(a + i), _mm512_loadu_si512(b + j), left));
}
static void run_any(const constants *k, const int8_t *a, const int8_t *b, int64_t period, int64_t n, int8_t *y) {
    if (k->rq.left)
        run(k, a, b, period, n, y, 1);
    else
        run(k, a, b, period, n, y, 0);
}

/* The least number of bytes that are whole runs of n and whole vectors. */
static int64_t period_of(int64_t n) {
    int64_t runs = 64;
    while (runs > 1 && runs / 2 * n % 64 == 0) runs /= 2;
    return runs * n;
}

/* `rows` of n products: a dense, b dense (sb = n), repeated (sb = 0), or one factor for each row (one). */
static void rows_of(const constants *k, const int8_t *a, const int8_t *b, int64_t sb, int one, int64_t rows, int64_t n, int8_t *y, int8_t *pattern) {
    const int64_t total = rows * n;
    if (one) {
        for (int64_t i = 0; i < rows; i++) {
            memset(pattern, b[i * sb], 64);
            run_any(k, a + i * n, pattern, 64, n, y + i * n);
        }
    } else if (sb == n || rows == 1) {
        run_any(k, a, b, total + 64, total, y);
    } else if (n % 64 == 0) {
        run_any(k, a, b, n, total, y);
    } else if (period_of(n) <= PATTERN) {
        const int64_t period = period_of(n);
        for (int64_t i = 0; i < period && i < total; i += n) memcpy(pattern + i, b, (size_t)n);
        run_any(k, a, pattern, period, total, y);
    } else {
        for (int64_t i = 0; i < rows; i++) run_any(k, a + i * n, b, n + 64, n, y + i * n);
    }
}

void intq_mul_any_avx512vnni(const void *params, void *const *io, int64_t begin, int64_t end, uint8_t *scratch) {
    const intq_mul *p = params;
    enum { ROW = INTQ_MAX_DIMS - 2, RUN = INTQ_MAX_DIMS - 1 };
    const intq_broadcast *s = &p->shape;
    const int64_t n = s->dims[RUN];
    const int dense_a = s->stride_a[RUN] == 1 && (s->stride_a[ROW] == n || s->dims[ROW] == 1);
    const int dense_b = s->stride_b[RUN] == 1 && (s->stride_b[ROW] == n || s->dims[ROW] == 1), swap = !dense_a;
    const int64_t *other = swap ? s->stride_a : s->stride_b;
    const int repeats = other[ROW] == 0 || other[ROW] == n || s->dims[ROW] == 1, one = other[RUN] == 0 && n > 1;
    if (p->finish != intq_finish_q15_avx512vnni || !(dense_a || dense_b) || !(repeats || one)) {
        intq_mul_any_avx2(params, io, begin, end, scratch);
        return;
    }
    constants k;
    k.za = _mm512_set1_epi16((int16_t)((swap ? p->b_zero_point : p->a_zero_point) + 128));
    k.zb = _mm512_set1_epi16((int16_t)((swap ? p->a_zero_point : p->b_zero_point) + 128));
    rq512_load_q15(&k.rq, &p->rq, 0, 64, RQ_LANES);
    intq_walk at = intq_walk_from(s, begin);
    for (int64_t unit = begin, count; unit < end; unit += count) {
        count = s->dims[ROW] - at.index[ROW] < end - unit ? s->dims[ROW] - at.index[ROW] : end - unit;
        const int8_t *a = (const int8_t *)io[0] + at.a, *b = (const int8_t *)io[1] + at.b;
        rows_of(&k, swap ? b : a, swap ? a : b, other[ROW], one, count, n, (int8_t *)io[2] + unit * n, (int8_t *)scratch);
        intq_walk_over(s, &at, count);
    }
}
