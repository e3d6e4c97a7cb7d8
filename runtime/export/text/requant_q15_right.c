needs: clamp
/* Accumulator, rounding constant included, to an output before its clamp: to 16 bits by a shift to the right, a 15-bit multiplier. */
static inline int32_t requant_q15_right(int32_t acc, int32_t multiplier, int32_t shift, int32_t zero_point) {
    const int32_t t = clamp(acc >> -shift, INT16_MIN, INT16_MAX);
    return (((t * multiplier + (1 << 14)) >> 15) + 64 * zero_point + 32) >> 6;
}
