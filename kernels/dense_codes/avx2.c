/* dense_codes with AVX2, as the compiler vectorizes it. */
#ifndef __AVX2__
#error "compile with the flags of avx2 in isa.def"
#endif
#include "dense_codes/plain.inc"

CODES_PLAIN(avx2)
