/* Accumulator to an output before its clamp: a 31-bit multiplier, one rounding. For shifts of at least 2 to the right, where the low
 * word of the product cannot reach the result. */
static inline int32_t requant_q31_single_right(int32_t acc, int32_t multiplier, int32_t shift, int32_t zero_point) {
    const int32_t high = (int32_t)(((int64_t)acc * multiplier) >> 32);
    return ((high + (1 << (-shift - 2))) >> (-shift - 1)) + zero_point;
}
