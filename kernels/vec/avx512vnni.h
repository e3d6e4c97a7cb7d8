/* AVX-512: requantization of four vectors of 16 accumulators to 64 bytes (SPEC 3), inlined by finish, dwconv2d and others.
 *
 * rq512_load reads the parameters in the arrangement of the accumulators, rq512_<rounding> applies them:
 *   RQ_ROW    vector i holds channels 16i .. 16i+15 of one row
 *   RQ_PAIR   vectors 0, 1 hold 32 channels of one row, vectors 2, 3 the same of another
 *   RQ_QUAD   every vector holds the same 16 channels
 *   RQ_LANES  128-bit lane j of vector i holds channels 16j+4i .. +3: what unpacking bytes leaves; the packs here undo it.
 *             RQ_LANES_PAIR and RQ_LANES_QUAD the same of 32 or 16 channels, in two halves or four quarters
 *   RQ_CHANNEL  all lanes are one channel; the bytes come out as the packs leave them, 4 of each vector in turn
 * The bytes come out in channel order, row after row. */
#ifndef INTQ_VEC_AVX512VNNI_H
#define INTQ_VEC_AVX512VNNI_H
#ifndef __AVX512VNNI__
#error "compile with the flags of avx512vnni in isa.def"
#endif
#include <immintrin.h>
#include <stdint.h>

#include "kernels.h"
#include "vec/scalar.h"

#define INLINE static inline __attribute__((always_inline))

typedef enum { RQ_ROW, RQ_PAIR, RQ_QUAD, RQ_LANES, RQ_LANES_PAIR, RQ_LANES_QUAD, RQ_CHANNEL } rq512_layout;

typedef struct {
    __m512i b[4], l[4], s[4], m[4]; /* q15: m[0], m[1] hold 16-bit multipliers in packed order */
    __m512i half[4], half_odd[4];   /* q31: rounding constants of even and odd lanes; shift: half[] in 32 bits */
    __m512i m_odd[4], total[4], total_odd[4], less[4], less_odd[4]; /* q31: see rq512_load_q31 and rq512_load_q31_double */
    __m512i zero_point, lo, hi;
    int left, clamp, slow;          /* slow: a shift outside what the vector code does */
    int one_shift, whole;           /* q31: ties of the one shift go up, see rq512_load_q31_double; some total is 31 */
} rq512;

INLINE __mmask16 mask16(int64_t n) { return (__mmask16)(n >= 16 ? 0xFFFF : n <= 0 ? 0 : (1u << n) - 1); }
INLINE __mmask64 mask64(int64_t n) { return n >= 64 ? ~UINT64_C(0) : n <= 0 ? 0 : (UINT64_C(1) << n) - 1; }

/* 16 of the 64 bytes of a vector to memory. The compiler would take them to a register first, on the port that all shuffles share. */
#define QUARTER(lane) __asm__("vextracti32x4 $" #lane ", %1, %0" : "=m"(*(__m128i_u *)to) : "v"(v))
INLINE void store_quarter(void *to, __m512i v, int lane) {
    switch (lane) {
    case 0: _mm_storeu_si128((__m128i_u *)to, _mm512_castsi512_si128(v)); break;
    case 1: QUARTER(1); break;
    case 2: QUARTER(2); break;
    default: QUARTER(3);
    }
}

/* n <= 64 entries of one parameter array, in the layout; the others are 0. */
INLINE void rq512_gather(__m512i *v, const int32_t *from, int64_t n, rq512_layout layout) {
    const int64_t width = layout % RQ_LANES == RQ_PAIR ? 32 : layout % RQ_LANES == RQ_QUAD ? 16 : 64;
    for (int i = 0; i < 4; i++) {
        const int64_t at = 16 * i % width;
        if (layout == RQ_CHANNEL)
            v[i] = _mm512_set1_epi32(from ? from[0] : 0);
        else
            v[i] = from ? _mm512_maskz_loadu_epi32(mask16(n - at), from + at) : _mm512_setzero_si512();
    }
    if (layout < RQ_LANES || layout == RQ_CHANNEL) return;
    const __m512i a = _mm512_shuffle_i32x4(v[0], v[1], 0x44), b = _mm512_shuffle_i32x4(v[0], v[1], 0xEE);
    const __m512i c = _mm512_shuffle_i32x4(v[2], v[3], 0x44), d = _mm512_shuffle_i32x4(v[2], v[3], 0xEE);
    v[0] = _mm512_shuffle_i32x4(a, c, 0x88);
    v[1] = _mm512_shuffle_i32x4(a, c, 0xDD);
    v[2] = _mm512_shuffle_i32x4(b, d, 0x88);
    v[3] = _mm512_shuffle_i32x4(b, d, 0xDD);
}

INLINE void rq512_begin(rq512 *p, const intq_requant *rq, int64_t channel, int64_t n, rq512_layout layout) {
    rq512_gather(p->b, rq->bias ? rq->bias + channel : NULL, n, layout);
    rq512_gather(p->l, rq->left + channel, n, layout);
    rq512_gather(p->s, rq->right + channel, n, layout);
    rq512_gather(p->m, rq->mult + channel, n, layout);
    p->zero_point = _mm512_set1_epi16((int16_t)rq->zero_point);
    p->lo = _mm512_set1_epi8((int8_t)rq->lo);
    p->hi = _mm512_set1_epi8((int8_t)rq->hi);
    p->left = rq->any_left;
    p->clamp = rq->lo > -128 || rq->hi < 127;
    p->slow = 0;
}
INLINE void rq512_load_q15(rq512 *p, const intq_requant *rq, int64_t channel, int64_t n, rq512_layout layout) {
    rq512_begin(p, rq, channel, n, layout);
    p->m[0] = _mm512_packs_epi32(p->m[0], p->m[1]);
    p->m[1] = _mm512_packs_epi32(p->m[2], p->m[3]);
}
INLINE void rq512_load_shift(rq512 *p, const intq_requant *rq, int64_t channel, int64_t n, rq512_layout layout) {
    rq512_begin(p, rq, channel, n, layout);
    for (int i = 0; i < 4; i++) /* 1 << (s - 1), and 0 for s = 0: counts beyond 31 give 0 */
        p->half[i] = _mm512_sllv_epi32(_mm512_set1_epi32(1), _mm512_sub_epi32(p->s[i], _mm512_set1_epi32(1)));
}
/* q31: (v*M + half) >> total, of even and of odd lanes. */
INLINE void rq512_load_q31(rq512 *p, const __m512i *total) {
    const __m512i one = _mm512_set1_epi64(1), low = _mm512_set1_epi64(0xFFFFFFFF), by = _mm512_set1_epi32(32);
    p->whole = 0;
    for (int i = 0; i < 4; i++) {
        p->m_odd[i] = _mm512_srli_epi64(p->m[i], 32);
        p->total[i] = _mm512_and_si512(total[i], low);
        p->total_odd[i] = _mm512_srli_epi64(total[i], 32);
        p->half[i] = _mm512_sllv_epi64(one, _mm512_sub_epi64(p->total[i], one));
        p->half_odd[i] = _mm512_sllv_epi64(one, _mm512_sub_epi64(p->total_odd[i], one));
        p->s[i] = _mm512_sub_epi32(total[i], by);
        p->whole |= _mm512_cmplt_epi32_mask(total[i], by) != 0;
    }
}
INLINE void rq512_load_q31_single(rq512 *p, const intq_requant *rq, int64_t channel, int64_t n, rq512_layout layout) {
    rq512_begin(p, rq, channel, n, layout);
    for (int64_t j = 0; j < n; j++) p->slow |= rq->right[channel + j] < 31;
    p->one_shift = 1;
    rq512_load_q31(p, p->s);
}
/* Nested floors are one: (((v*M + 2^30) >> 31) + 2^(s-1)) >> s = (v*M + 2^30 + 2^(30+s)) >> (31+s). Ties of the second rounding go away
 * from zero, which takes 2^31 from negative values that are shifted; not where the clamp hides everything below the zero point (ReLU). */
INLINE void rq512_load_q31_double(rq512 *p, const intq_requant *rq, int64_t channel, int64_t n, rq512_layout layout) {
    rq512_begin(p, rq, channel, n, layout);
    p->one_shift = rq->lo >= rq->zero_point;
    const __m512i by = _mm512_set1_epi64(31), first = _mm512_set1_epi64(1 << 30), less = _mm512_set1_epi64(INT64_C(1) << 31);
    __m512i total[4];
    for (int i = 0; i < 4; i++) total[i] = _mm512_add_epi32(p->s[i], _mm512_set1_epi32(31));
    rq512_load_q31(p, total);
    for (int i = 0; i < 4; i++) {
        const __mmask8 even = _mm512_cmpgt_epi64_mask(p->total[i], by), odd = _mm512_cmpgt_epi64_mask(p->total_odd[i], by);
        p->half[i] = _mm512_mask_add_epi64(p->half[i], even, p->half[i], first);
        p->half_odd[i] = _mm512_mask_add_epi64(p->half_odd[i], odd, p->half_odd[i], first);
        p->less[i] = _mm512_maskz_mov_epi64(even, less);
        p->less_odd[i] = _mm512_maskz_mov_epi64(odd, less);
    }
}

/* The last steps of every rounding: two vectors of 16 bits to bytes. RQ_LANES... are already in order. */
INLINE __m512i rq512_bytes(const rq512 *p, __m512i x, __m512i y, rq512_layout layout) {
    __m512i q = _mm512_packs_epi16(x, y);
    if (layout < RQ_LANES) q = _mm512_permutexvar_epi32(_mm512_setr_epi32(0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15), q);
    if (p->clamp) q = _mm512_min_epi8(_mm512_max_epi8(q, p->lo), p->hi);
    return q;
}
/* 32-bit results before the zero point: packing saturates, which is what the clamp would do. */
INLINE __m512i rq512_pack32(const rq512 *p, const __m512i *a, rq512_layout layout) {
    const __m512i x = _mm512_adds_epi16(_mm512_packs_epi32(a[0], a[1]), p->zero_point);
    return rq512_bytes(p, x, _mm512_adds_epi16(_mm512_packs_epi32(a[2], a[3]), p->zero_point), layout);
}

/* Which of four parameter vectors vector i takes: repeated ones once, in fewer registers. */
INLINE int rq512_vector(int i, rq512_layout layout) { return layout == RQ_PAIR ? i & 1 : layout == RQ_QUAD ? 0 : i; }

/* `bias`: whether p->b is still to be added; `left`: whether a channel shifts left. Constants at every call. The first half: 16 bits in 64ths. */
INLINE void rq512_q15_words(__m512i words[2], const rq512 *p, __m512i *a, int bias, int left, rq512_layout layout) {
    for (int i = 0; i < 4; i++) {
        const int k = rq512_vector(i, layout);
        if (bias) a[i] = _mm512_add_epi32(a[i], p->b[k]);
        if (left) a[i] = _mm512_sllv_epi32(a[i], p->l[k]);
        a[i] = _mm512_srav_epi32(a[i], p->s[k]);
    }
    const __m512i second = layout == RQ_PAIR || layout == RQ_QUAD ? p->m[0] : p->m[1];
    words[0] = _mm512_mulhrs_epi16(_mm512_packs_epi32(a[0], a[1]), p->m[0]);
    words[1] = _mm512_mulhrs_epi16(_mm512_packs_epi32(a[2], a[3]), second);
}
INLINE __m512i rq512_q15(const rq512 *p, __m512i *a, int bias, int left, rq512_layout layout) {
    /* (x + 32) >> 6 as a product, (x * 512 + 2^14) >> 15: shifts and saturating sums of whole vectors have one port, which the shifts above fill */
    __m512i by = _mm512_set1_epi16(512), x[2];
    __asm__("" : "+v"(by)); /* else it is made anew where registers are short, on the port of all shuffles */
    rq512_q15_words(x, p, a, bias, left, layout);
    for (int i = 0; i < 2; i++) x[i] = _mm512_add_epi16(_mm512_mulhrs_epi16(x[i], by), p->zero_point);
    return rq512_bytes(p, x[0], x[1], layout);
}
/* Beside tile products, with parameters from rq512_hold_q15: the tiles are on the other port. */
INLINE __m512i rq512_q15_held(const rq512 *p, __m512i *a, int left, rq512_layout layout) {
    __m512i x[2];
    rq512_q15_words(x, p, a, 1, left, layout);
    for (int i = 0; i < 2; i++) x[i] = _mm512_srai_epi16(_mm512_adds_epi16(x[i], p->zero_point), 6);
    return rq512_bytes(p, x[0], x[1], layout);
}
/* A copy of what q15 needs, field by field, so that it stays in registers through a loop of repeated parameters. Its zero point is in 64ths, with
 * what rounds. */
INLINE void rq512_hold_q15(rq512 *to, const rq512 *from, int left, rq512_layout layout) {
    for (int i = 0; i <= rq512_vector(1, layout); i++) {
        to->b[i] = from->b[i];
        if (left) to->l[i] = from->l[i];
        to->s[i] = from->s[i];
    }
    to->m[0] = from->m[0];
    to->zero_point = _mm512_add_epi16(_mm512_slli_epi16(from->zero_point, 6), _mm512_set1_epi16(32));
    to->lo = from->lo;
    to->hi = from->hi;
    to->clamp = from->clamp;
}
INLINE __m512i rq512_shift(const rq512 *p, __m512i *a, int bias, int left, rq512_layout layout) {
    for (int i = 0; i < 4; i++) {
        if (bias) a[i] = _mm512_add_epi32(a[i], p->b[i]);
        a[i] = _mm512_add_epi32(a[i], p->half[i]);
        if (left) a[i] = _mm512_sllv_epi32(a[i], p->l[i]);
        a[i] = _mm512_srav_epi32(a[i], p->s[i]);
    }
    return rq512_pack32(p, a, layout);
}
/* `away`: ties of negative values go away from zero. Needs total >= 31, so that the result fits 32 bits. Where it is at least 32, the result
 * lies in the high halves of the products. */
INLINE __m512i rq512_q31(const rq512 *p, __m512i *a, int bias, int left, int away, rq512_layout layout) {
    for (int i = 0; i < 4; i++) {
        if (bias) a[i] = _mm512_add_epi32(a[i], p->b[i]);
        if (left) a[i] = _mm512_sllv_epi32(a[i], p->l[i]);
        __m512i even = _mm512_mul_epi32(a[i], p->m[i]);
        __m512i odd = _mm512_mul_epi32(_mm512_shuffle_epi32(a[i], (_MM_PERM_ENUM)0xF5), p->m_odd[i]);
        const __mmask8 k = away ? _mm512_movepi64_mask(even) : 0, k_odd = away ? _mm512_movepi64_mask(odd) : 0;
        even = _mm512_add_epi64(even, p->half[i]);
        odd = _mm512_add_epi64(odd, p->half_odd[i]);
        if (away) even = _mm512_mask_sub_epi64(even, k, even, p->less[i]), odd = _mm512_mask_sub_epi64(odd, k_odd, odd, p->less_odd[i]);
        if (left || p->whole)
            a[i] = _mm512_mask_shuffle_epi32(_mm512_srav_epi64(even, p->total[i]), 0xAAAA, _mm512_srav_epi64(odd, p->total_odd[i]), (_MM_PERM_ENUM)0xA0);
        else
            a[i] = _mm512_srav_epi32(_mm512_mask_shuffle_epi32(odd, 0x5555, even, (_MM_PERM_ENUM)0xF5), p->s[i]);
    }
    return rq512_pack32(p, a, layout);
}
INLINE __m512i rq512_q31_single(const rq512 *p, __m512i *a, int bias, int left, rq512_layout layout) {
    return rq512_q31(p, a, bias, left, 0, layout);
}
INLINE __m512i rq512_q31_double(const rq512 *p, __m512i *a, int bias, int left, rq512_layout layout) {
    return p->one_shift ? rq512_q31(p, a, bias, left, 0, layout) : rq512_q31(p, a, bias, left, 1, layout);
}
#endif
