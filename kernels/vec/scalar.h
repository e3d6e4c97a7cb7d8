/* Requantization of one accumulator (SPEC 3), the text that every vector version must equal. */
#ifndef INTQ_VEC_SCALAR_H
#define INTQ_VEC_SCALAR_H
#include <stdint.h>

#include "kernels.h"

static inline int64_t clamp64(int64_t v, int64_t lo, int64_t hi) { return v < lo ? lo : v > hi ? hi : v; }
static inline int32_t shift_left(int32_t v, int32_t by) { return (int32_t)((uint32_t)v << by); }

static inline int8_t requant_q15(int32_t acc, const intq_requant *rq, int64_t c) {
    const int64_t t = clamp64(shift_left(acc, rq->left[c]) >> rq->right[c], INT16_MIN, INT16_MAX);
    const int64_t m = (t * rq->mult[c] + (1 << 14)) >> 15;
    return (int8_t)clamp64(clamp64(m + 64 * rq->zero_point + 32, INT16_MIN, INT16_MAX) >> 6, rq->lo, rq->hi);
}
static inline int8_t requant_shift(int32_t acc, const intq_requant *rq, int64_t c) {
    const int32_t s = rq->right[c], half = s > 0 ? (int32_t)(1u << (s - 1)) : 0;
    const int64_t v = shift_left(acc + half, rq->left[c]) >> s;
    return (int8_t)clamp64(v + rq->zero_point, rq->lo, rq->hi);
}
static inline int8_t requant_q31_single(int32_t acc, const intq_requant *rq, int64_t c) {
    const int32_t s = rq->right[c];
    const int64_t v = ((int64_t)acc * rq->mult[c] + (INT64_C(1) << (s - 1))) >> s;
    return (int8_t)clamp64(v + rq->zero_point, rq->lo, rq->hi);
}
/* gemmlowp's two roundings: its nudge and truncation of a negative product come to the same floor as that of a positive one. */
static inline int8_t requant_q31_double(int32_t acc, const intq_requant *rq, int64_t c) {
    const int32_t s = rq->right[c];
    const int32_t high = (int32_t)(((int64_t)shift_left(acc, rq->left[c]) * rq->mult[c] + (1 << 30)) >> 31);
    const int32_t mask = (int32_t)((1u << s) - 1), threshold = (mask >> 1) + (high < 0);
    const int64_t v = (high >> s) + ((high & mask) > threshold);
    return (int8_t)clamp64(v + rq->zero_point, rq->lo, rq->hi);
}
#endif
