/* Accumulator, rounding constant included, to an output before its clamp: a shift, no multiplier. */
static inline int32_t requant_shift(int32_t acc, int32_t multiplier, int32_t shift, int32_t zero_point) {
    (void)multiplier;
    return (acc >> -shift) + zero_point;
}
