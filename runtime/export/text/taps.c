needs: dot
/* One tap of a depthwise convolution for LANES neighbouring channels. */
#if defined(DOT_STEP) && DOT_STEP == 4
enum { LANES = 4 };
static inline void tap_lanes(int32_t acc[LANES], const int8_t *x, const int8_t *w) {
    DOT_LOAD(xv, x);
    DOT_LOAD(wv, w);
    acc[0] = __smlabb(xv_even, wv_even, acc[0]);
    acc[1] = __smlabb(xv_odd, wv_odd, acc[1]);
    acc[2] = __smlatt(xv_even, wv_even, acc[2]);
    acc[3] = __smlatt(xv_odd, wv_odd, acc[3]);
}
#else
#if defined(__ARM_NEON) || defined(__SSE2__)
enum { LANES = 16 };
#else
enum { LANES = 4 };
#endif
static inline void tap_lanes(int32_t acc[LANES], const int8_t *x, const int8_t *w) {
    for (int i = 0; i < LANES; i++) acc[i] += x[i] * w[i];
}
#endif
