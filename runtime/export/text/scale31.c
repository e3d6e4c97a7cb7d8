needs: shift_left high_mul rounding_shift
/* v * multiplier / 2^31 * 2^shift, rounded after the product and after the shift. */
static inline int32_t scale31(int32_t v, int32_t multiplier, int32_t shift) {
    return shift > 0 ? high_mul(shift_left(v, shift), multiplier) : rounding_shift(high_mul(v, multiplier), -shift);
}
