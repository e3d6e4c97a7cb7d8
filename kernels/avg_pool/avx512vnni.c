/* avg_pool: 64 channels at a time, requantized in registers (SPEC 6, q15). The sums are of unsigned bytes in 16 bits; where windows three
 * wide overlap, each column is summed once. Other roundings and larger windows go the way of avx2. */
#include "vec/avx512vnni.h"

enum { MOST = 257 }; /* 257 * 255 = 2^16 - 1 */

intq_finish_fn intq_finish_q15_avx512vnni;
intq_kernel_fn intq_avg_pool_any_avx2;

/* Sums of 64 channels, as unpacking leaves them. */
typedef struct {
    __m512i low, high;
} sums;

INLINE sums add(sums a, sums b) { return (sums){_mm512_add_epi16(a.low, b.low), _mm512_add_epi16(a.high, b.high)}; }
INLINE sums column(const int8_t *x, int64_t rows, int64_t stride) {
    const __m512i zero = _mm512_setzero_si512(), flip = _mm512_set1_epi8((char)0x80);
    sums total = {zero, zero};
    for (int64_t r = 0; r < rows; r++, x += stride) {
        const __m512i v = _mm512_xor_si512(_mm512_loadu_si512(x), flip);
        total = add(total, (sums){_mm512_unpacklo_epi8(v, zero), _mm512_unpackhi_epi8(v, zero)});
    }
    return total;
}

/* The requantization of windows with this many elements inside the image. */
typedef struct {
    rq512 q;
    int64_t elements;
} divided;

static void set_elements(divided *d, const intq_pool *p, int64_t elements) {
    const int32_t divisor = p->count_include_pad ? p->kh * p->kw : (int32_t)elements;
    const intq_requant *rq = p->rqs;
    for (int32_t i = 0; i < p->n_divisors; i++)
        if (p->divisors[i] == divisor) rq = p->rqs + i;
    rq512_load_q15(&d->q, rq, 0, 64, RQ_LANES);
    for (int i = 0; i < 4; i++) d->q.b[i] = _mm512_sub_epi32(d->q.b[i], _mm512_set1_epi32((int32_t)elements * (p->x_zero_point + 128)));
    d->elements = elements;
}

INLINE void finish(const divided *d, sums s, int8_t *y, __mmask64 channels) {
    const __m512i zero = _mm512_setzero_si512();
    __m512i a[4] = {_mm512_unpacklo_epi16(s.low, zero), _mm512_unpackhi_epi16(s.low, zero),
                    _mm512_unpacklo_epi16(s.high, zero), _mm512_unpackhi_epi16(s.high, zero)};
    _mm512_mask_storeu_epi8(y, channels, d->q.left ? rq512_q15(&d->q, a, 1, 1, RQ_LANES) : rq512_q15(&d->q, a, 1, 0, RQ_LANES));
}

/* One output row of up to 64 channels; x is the first of the `rows` input rows. */
static void pool_row(const intq_pool *p, divided *d, const int8_t *x, int64_t rows, int8_t *y, __mmask64 channels) {
    const int64_t c = p->c, line = p->w * c;
    const int rolls = p->kw == 3 && p->stride_w == 1;
    const sums none = {_mm512_setzero_si512(), _mm512_setzero_si512()};
    sums first = none, second = none;
    for (int64_t ox = 0, left = -p->pad_left; ox < p->ow; ox++, left += p->stride_w, y += c) {
        const int64_t x0 = left > 0 ? left : 0, x1 = left + p->kw < p->w ? left + p->kw : p->w, taps = x1 > x0 ? x1 - x0 : 0;
        if (d->elements != rows * taps) set_elements(d, p, rows * taps);
        sums s = none;
        if (rolls && ox > 0) {
            const sums third = left + 2 < p->w ? column(x + (left + 2) * c, left + 2 < 0 ? 0 : rows, line) : none;
            s = add(add(first, second), third);
            first = second;
            second = third;
            finish(d, s, y, channels);
            continue;
        }
        for (int64_t i = x0; i < x1; i++) {
            const sums one = column(x + i * c, rows, line);
            s = add(s, one);
            if (rolls && i == left + 1) first = one;
            if (rolls && i == left + 2) second = one;
        }
        finish(d, s, y, channels);
    }
}

void intq_avg_pool_any_avx512vnni(const void *params, void *const *io, int64_t begin, int64_t end, uint8_t *scratch) {
    const intq_pool *p = params;
    if (p->finish != intq_finish_q15_avx512vnni || p->kh > MOST || p->kw > MOST || p->kh * p->kw > MOST) {
        intq_avg_pool_any_avx2(params, io, begin, end, scratch);
        return;
    }
    divided d;
    set_elements(&d, p, 0);
    for (int64_t unit = begin; unit < end; unit++) {
        const int64_t image = unit / p->oh, top = unit % p->oh * p->stride_h - p->pad_top;
        const int64_t y0 = top > 0 ? top : 0, y1 = top + p->kh < p->h ? top + p->kh : p->h, rows = y1 > y0 ? y1 - y0 : 0;
        const int8_t *x = (const int8_t *)io[0] + (image * p->h + y0) * p->w * p->c;
        int8_t *y = (int8_t *)io[1] + unit * p->ow * p->c;
        for (int64_t c = 0; c < p->c; c += 64) pool_row(p, &d, x + c, rows, y + c, mask64(p->c - c));
    }
}
