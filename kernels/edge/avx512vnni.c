/* The edge, see edge.inc. */
#if !defined(__AVX512VNNI__)
#error "compile with the flags of avx512vnni in isa.def"
#endif
#define EDGE(name) name##_avx512vnni
#include "edge/edge.inc"
