/* rescale16. */
#ifndef __AVX2__
#error "compile with the flags of avx2 in isa.def"
#endif
#include "rescale16/rescale16.inc"

RESCALE16(avx2)
