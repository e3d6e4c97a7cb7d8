/* avg_pool16. */
#ifndef __AVX2__
#error "compile with the flags of avx2 in isa.def"
#endif
#include "avg_pool16/avg_pool16.inc"

AVG_POOL16(avx2)
