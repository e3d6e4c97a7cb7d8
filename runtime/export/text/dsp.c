/* Four bytes as two pairs of 16 bits, for the DSP instructions of Cortex-M. */
#if defined(__ARM_FEATURE_DSP) && defined(__ARM_FEATURE_SIMD32) && !defined(__ARM_FEATURE_MVE)
#define DSP
#include <arm_acle.h>
static inline int32_t word(const int8_t *p) {
    int32_t v;
    memcpy(&v, p, 4);
    return v;
}
/* bytes 0 and 2 */
static inline int16x2_t even(int32_t v) { return __sxtb16((int8x4_t)v); }
/* bytes 1 and 3 */
static inline int16x2_t odd(int32_t v) {
    int16x2_t pair;
    __asm__("sxtb16 %0, %1, ror #8" : "=r"(pair) : "r"(v));
    return pair;
}
#endif
