needs: clamp64 @scale@
static int32_t direct_@scale@(int64_t acc, @wide@ multiplier, int32_t shift, int32_t zero_point, int32_t lo, int32_t hi) {
    return clamp64(@scale@(acc, multiplier, shift) + (int64_t)zero_point, lo, hi);
}
