/* Products of two activations with vpmaddwd. */
#ifndef __AVX2__
#error "compile with the flags of avx2 in isa.def"
#endif
#define KERNEL_NAME intq_tfl_batch_matmul_s8_avx2
#define MADD(acc, a, b) _mm256_add_epi32(acc, _mm256_madd_epi16(a, b))
#include "tfl_matrix/matmul256.inc"
