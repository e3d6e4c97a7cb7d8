/* spconv2d with NEON, as the compiler vectorizes it: 16-bit products, 32-bit sums. */
#include "spconv2d/plain.inc"

SP_PLAIN_ROWS(neon)
