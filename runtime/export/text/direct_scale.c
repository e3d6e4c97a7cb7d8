needs: clamp requant_@rounding@
static int32_t direct_@rounding@(int32_t acc, int32_t multiplier, int32_t shift, int32_t zero_point, int32_t lo, int32_t hi) {
    return clamp(requant_@rounding@(acc, multiplier, shift, zero_point), lo, hi);
}
