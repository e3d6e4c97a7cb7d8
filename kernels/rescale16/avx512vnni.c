/* rescale16. */
#ifndef __AVX512VNNI__
#error "compile with the flags of avx512vnni in isa.def"
#endif
#include "rescale16/rescale16.inc"

RESCALE16(avx512vnni)
