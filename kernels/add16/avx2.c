/* add16. */
#ifndef __AVX2__
#error "compile with the flags of avx2 in isa.def"
#endif
#include "add16/add16.inc"

ADD16(avx2)
