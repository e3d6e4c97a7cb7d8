/* Products of two activations with vpdpwssd. */
#ifndef __AVXVNNI__
#error "compile with the flags of avxvnni in isa.def"
#endif
#define KERNEL_NAME intq_tfl_batch_matmul_s8_avxvnni
#define MADD(acc, a, b) _mm256_dpwssd_avx_epi32(acc, a, b)
#include "tfl_matrix/matmul256.inc"
