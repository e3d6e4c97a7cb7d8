#include <arm_neon.h>
#include <stdint.h>

/* Eight lanes, four by four. */
typedef struct {
    int32x4_t v[2];
} pair;

#define BOTH(name, expression)                      \
    static inline pair name(pair a, pair b) {       \
        pair y;                                     \
        for (int i = 0; i < 2; i++) {               \
            const int32x4_t p = a.v[i], q = b.v[i]; \
            y.v[i] = expression;                    \
        }                                           \
        return y;                                   \
    }
BOTH(add32, vaddq_s32(p, q))
BOTH(sub32, vsubq_s32(p, q))
BOTH(min32, vminq_s32(p, q))
BOTH(max32, vmaxq_s32(p, q))
BOTH(and32, vandq_s32(p, q))
BOTH(shifted, vshlq_s32(p, q))      /* to the right where q < 0 */
BOTH(high_mul, vqrdmulhq_s32(p, q))  /* (F1): (2 p q + 2^31) >> 32 */

static inline pair set1(int32_t x) { return (pair){{vdupq_n_s32(x), vdupq_n_s32(x)}}; }
static inline pair load8(const int8_t *p) {
    const int16x8_t v = vmovl_s8(vld1_s8(p));
    return (pair){{vmovl_s16(vget_low_s16(v)), vmovl_high_s16(v)}};
}
static inline pair load16(const int16_t *p) {
    const int16x8_t v = vld1q_s16(p);
    return (pair){{vmovl_s16(vget_low_s16(v)), vmovl_high_s16(v)}};
}
static inline void store16(int16_t *p, pair v) { vst1q_s16(p, vcombine_s16(vmovn_s32(v.v[0]), vmovn_s32(v.v[1]))); }
static inline void store8(int8_t *p, pair v) { vst1_s8(p, vmovn_s16(vcombine_s16(vmovn_s32(v.v[0]), vmovn_s32(v.v[1])))); }

#define HAS_HIGH_MUL
#define LANES 8
#define V pair
#define LOAD8 load8
#define STORE8 store8
#define LOAD16 load16
#define STORE16 store16
#define SET1 set1
#define ADD32 add32
#define SUB32 sub32
#define AND and32
#define SRA(v, by) shifted(v, set1(-(by)))
#define SLL(v, by) shifted(v, set1(by))
#define MIN32 min32
#define MAX32 max32
#include "tfl_add/add.inc"

TFL_ADD(intq_tfl_add_s8_neon, 1)
TFL_ADD(intq_tfl_add_s16_neon, 2)
