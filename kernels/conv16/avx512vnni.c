/* conv16 with vpdpwssd. */
#ifndef __AVX512VNNI__
#error "compile with the flags of avx512vnni in isa.def"
#endif
#define GEMM static void gemm
#define DOT(sum, left, right) _mm512_dpwssd_epi32(sum, left, right)
#include "gemm/rows512.inc"

#include "conv16/requant512.h"

#define CONV16_GEMM gemm
#define CONV16_COLUMNS 64
#define CONV16_FLAGS INTQ_NARROW_PANELS
#include "conv16/conv16.inc"

CONV16_ROW(avx512vnni)
