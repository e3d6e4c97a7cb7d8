/* Accumulator to an output before its clamp: a 31-bit multiplier, a rounding after it, one after the shift, whose ties go away from
 * zero. For accumulators below 2^30 and shifts of at least 1 to the right. */
static inline int32_t requant_q31_double_right(int32_t acc, int32_t multiplier, int32_t shift, int32_t zero_point) {
    const int32_t high = (int32_t)(((int64_t)(2 * acc) * multiplier + (INT64_C(1) << 31)) >> 32);
    return ((high + (1 << (-shift - 1)) + (high >> 31)) >> -shift) + zero_point;
}
