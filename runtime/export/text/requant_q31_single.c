/* Accumulator to an output before its clamp: a 31-bit multiplier, one rounding. */
static inline int32_t requant_q31_single(int32_t acc, int32_t multiplier, int32_t shift, int32_t zero_point) {
    return (int32_t)(((int64_t)acc * multiplier + (INT64_C(1) << (30 - shift))) >> (31 - shift)) + zero_point;
}
