/* planes with AVX2. */
#include "vec/bits_avx2.h"

#include "planes/planes.inc"

PLANES_ROW(avx2)
