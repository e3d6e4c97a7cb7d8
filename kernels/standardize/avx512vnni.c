/* standardize with the vectors that the compiler finds. */
#ifndef __AVX512VNNI__
#error "compile with the flags of avx512vnni in isa.def"
#endif
#define KERNEL_NAME intq_standardize_any_avx512vnni
#include "standardize.inc"
