/* dense_codes with sdot. */
#ifndef __ARM_FEATURE_DOTPROD
#error "compile with the flags of neon_dotprod in isa.def"
#endif
#include <arm_neon.h>

#define codes_dot vdotq_s32
#include "dense_codes/neon.inc"

CODES_TBL(neon_dotprod)
CODES_LINEAR(neon_dotprod)
