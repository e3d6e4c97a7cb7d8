needs: shift_left rounding_shift
/* Accumulator to an output before its clamp: a 31-bit multiplier, a rounding after it and one after the shift. */
static inline int32_t requant_q31_double(int32_t acc, int32_t multiplier, int32_t shift, int32_t zero_point) {
    const int32_t left = shift > 0 ? shift : 0, right = shift < 0 ? -shift : 0;
    const int32_t high = (int32_t)(((int64_t)shift_left(acc, left) * multiplier + (1 << 30)) >> 31);
    return rounding_shift(high, right) + zero_point;
}
