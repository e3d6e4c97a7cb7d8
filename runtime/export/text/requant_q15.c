needs: clamp shift_left
/* Accumulator, rounding constant included, to an output before its clamp: to 16 bits by a shift, a 15-bit multiplier. */
static inline int32_t requant_q15(int32_t acc, int32_t multiplier, int32_t shift, int32_t zero_point) {
    const int32_t t = clamp(shift > 0 ? shift_left(acc, shift) : acc >> -shift, INT16_MIN, INT16_MAX);
    return (((t * multiplier + (1 << 14)) >> 15) + 64 * zero_point + 32) >> 6;
}
