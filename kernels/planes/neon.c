/* planes with NEON. */
#include "vec/bits_neon.h"

#include "planes/planes.inc"

PLANES_ROW(neon)
