/* bsign. */
#ifndef __AVX512VNNI__
#error "compile with the flags of avx512vnni in isa.def"
#endif
#include "bsign/bsign.inc"

BSIGN(s8, avx512vnni, int8_t)
BSIGN(s16, avx512vnni, int16_t)
