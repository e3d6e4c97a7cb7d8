/* standardize with the vectors that the compiler finds. */
#ifndef __AVX2__
#error "compile with the flags of avx2 in isa.def"
#endif
#define KERNEL_NAME intq_standardize_any_avx2
#include "standardize.inc"
