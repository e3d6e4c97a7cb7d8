/* spconv2d with AVX2, as the compiler vectorizes it: 16-bit products, 32-bit sums. */
#ifndef __AVX2__
#error "compile with the flags of avx2 in isa.def"
#endif
#include "spconv2d/plain.inc"

SP_PLAIN_ROWS(avx2)
