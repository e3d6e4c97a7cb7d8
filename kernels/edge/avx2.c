/* The edge, see edge.inc. */
#if !defined(__AVX2__)
#error "compile with the flags of avx2 in isa.def"
#endif
#define EDGE(name) name##_avx2
#include "edge/edge.inc"
