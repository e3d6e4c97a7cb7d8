/* gemm with vpdpbusd. The left operand is the unsigned one: rows arrive with the sign bit flipped. */
#ifndef __AVX512VNNI__
#error "compile with the flags of avx512vnni in isa.def"
#endif
#define GEMM void intq_gemm_u8s8_6x64x4_avx512vnni
#define DOT(sum, left, right) _mm512_dpbusd_epi32(sum, left, right)
#include "gemm/rows512.inc"
