/* bsign. */
#ifndef __AVX2__
#error "compile with the flags of avx2 in isa.def"
#endif
#include "bsign/bsign.inc"

BSIGN(s8, avx2, int8_t)
BSIGN(s16, avx2, int16_t)
