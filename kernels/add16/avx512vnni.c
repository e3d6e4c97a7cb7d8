/* add16. */
#ifndef __AVX512VNNI__
#error "compile with the flags of avx512vnni in isa.def"
#endif
#include "add16/add16.inc"

ADD16(avx512vnni)
