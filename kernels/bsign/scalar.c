/* bsign. */
#include "bsign/bsign.inc"

BSIGN(s8, scalar, int8_t)
BSIGN(s16, scalar, int16_t)
