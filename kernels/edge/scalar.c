/* The edge, see edge.inc. */
#define EDGE(name) name##_scalar
#include "edge/edge.inc"
