needs: dsp
/* One tap of a depthwise convolution for LANES neighbouring channels. */
#if defined(DSP)
enum { LANES = 4 };
static inline void tap_lanes(int32_t acc[LANES], const int8_t *x, const int8_t *w) {
    const int32_t xv = word(x), wv = word(w);
    const int16x2_t x02 = even(xv), x13 = odd(xv), w02 = even(wv), w13 = odd(wv);
    acc[0] = __smlabb(x02, w02, acc[0]);
    acc[1] = __smlabb(x13, w13, acc[1]);
    acc[2] = __smlatt(x02, w02, acc[2]);
    acc[3] = __smlatt(x13, w13, acc[3]);
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
