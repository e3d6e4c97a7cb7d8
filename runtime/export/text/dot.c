needs: dsp
/* Dot products of int8: dot() of one row with one column of weights, dot_block() of ROWS rows with COLS columns, each k long. */
#if defined(__ARM_NEON) && defined(__ARM_FEATURE_DOTPROD)
#include <arm_neon.h>
enum { ROWS = 4, COLS = 4 };

static inline int32_t dot(const int8_t *a, const int8_t *w, int32_t k) {
    int32x4_t sum = vdupq_n_s32(0);
    int32_t i = 0;
    for (; i + 16 <= k; i += 16) sum = vdotq_s32(sum, vld1q_s8(a + i), vld1q_s8(w + i));
    int32_t acc = vaddvq_s32(sum);
    for (; i < k; i++) acc += a[i] * w[i];
    return acc;
}
static inline void dot_block(const int8_t *a, const int8_t *w, int32_t k, int32_t acc[ROWS][COLS]) {
    int32x4_t sum[ROWS][COLS];
    int32_t i = 0;
    for (int r = 0; r < ROWS; r++)
        for (int c = 0; c < COLS; c++) sum[r][c] = vdupq_n_s32(0);
    for (; i + 16 <= k; i += 16) {
        const int8x16_t w0 = vld1q_s8(w + i), w1 = vld1q_s8(w + k + i), w2 = vld1q_s8(w + 2 * k + i), w3 = vld1q_s8(w + 3 * k + i);
        for (int r = 0; r < ROWS; r++) {
            const int8x16_t v = vld1q_s8(a + r * k + i);
            sum[r][0] = vdotq_s32(sum[r][0], v, w0);
            sum[r][1] = vdotq_s32(sum[r][1], v, w1);
            sum[r][2] = vdotq_s32(sum[r][2], v, w2);
            sum[r][3] = vdotq_s32(sum[r][3], v, w3);
        }
    }
    for (int r = 0; r < ROWS; r++) {
        vst1q_s32(acc[r], vpaddq_s32(vpaddq_s32(sum[r][0], sum[r][1]), vpaddq_s32(sum[r][2], sum[r][3])));
        for (int c = 0; c < COLS && i < k; c++) acc[r][c] += dot(a + r * k + i, w + c * k + i, k - i);
    }
}
#elif defined(__ARM_FEATURE_MVE) && (__ARM_FEATURE_MVE & 1)
#include <arm_mve.h>
enum { ROWS = 2, COLS = 2 };

static inline int32_t dot(const int8_t *a, const int8_t *w, int32_t k) {
    int32_t acc = 0;
    for (int32_t i = 0; i < k; i += 16) {
        const mve_pred16_t some = vctp8q((uint32_t)(k - i));
        acc = vmladavaq_p_s8(acc, vld1q_z_s8(a + i, some), vld1q_z_s8(w + i, some), some);
    }
    return acc;
}
static inline void dot_block(const int8_t *a, const int8_t *w, int32_t k, int32_t acc[ROWS][COLS]) {
    int32_t s00 = 0, s01 = 0, s10 = 0, s11 = 0;
    for (int32_t i = 0; i < k; i += 16) {
        const mve_pred16_t some = vctp8q((uint32_t)(k - i));
        const int8x16_t a0 = vld1q_z_s8(a + i, some), a1 = vld1q_z_s8(a + k + i, some);
        const int8x16_t w0 = vld1q_z_s8(w + i, some), w1 = vld1q_z_s8(w + k + i, some);
        s00 = vmladavaq_p_s8(s00, a0, w0, some);
        s01 = vmladavaq_p_s8(s01, a0, w1, some);
        s10 = vmladavaq_p_s8(s10, a1, w0, some);
        s11 = vmladavaq_p_s8(s11, a1, w1, some);
    }
    acc[0][0] = s00, acc[0][1] = s01, acc[1][0] = s10, acc[1][1] = s11;
}
#else
enum { ROWS = 2, COLS = 2 };
#if defined(DSP)
#define DOT_STEP 4
#define DOT(sum, a, w) (sum) = __smlad(a##_odd, w##_odd, __smlad(a##_even, w##_even, sum))
#define DOT_LOAD(name, p) \
    const int32_t name = word(p); \
    const int16x2_t name##_even = even(name), name##_odd = odd(name)
#else
#define DOT_STEP 1
#define DOT(sum, a, w) (sum) += (a) * (w)
#define DOT_LOAD(name, p) const int32_t name = *(p)
#endif

static inline int32_t dot(const int8_t *a, const int8_t *w, int32_t k) {
    int32_t acc = 0;
    const int8_t *const end = a + k, *const last = end - (DOT_STEP - 1);
    for (; a < last; a += DOT_STEP, w += DOT_STEP) {
        DOT_LOAD(av, a);
        DOT_LOAD(wv, w);
        DOT(acc, av, wv);
    }
    while (a < end) acc += *a++ * *w++;
    return acc;
}
static inline void dot_block(const int8_t *a, const int8_t *w, int32_t k, int32_t acc[ROWS][COLS]) {
    int32_t s00 = 0, s01 = 0, s10 = 0, s11 = 0;
    const int8_t *const end = a + k, *const last = end - (DOT_STEP - 1);
    for (; a < last; a += DOT_STEP, w += DOT_STEP) {
        DOT_LOAD(v1, w + k);
        DOT_LOAD(a1, a + k);
        DOT(s11, a1, v1);
        DOT_LOAD(a0, a);
        DOT(s01, a0, v1);
        DOT_LOAD(v0, w);
        DOT(s00, a0, v0);
        DOT(s10, a1, v0);
    }
    for (; a < end; a++, w++) s00 += a[0] * w[0], s01 += a[0] * w[k], s10 += a[k] * w[0], s11 += a[k] * w[k];
    acc[0][0] = s00, acc[0][1] = s01, acc[1][0] = s10, acc[1][1] = s11;
}
#endif
