/* planes with vpopcntd. */
#include "vec/bits_avx512bitalg.h"

#include "planes/planes.inc"

PLANES_ROW(avx512bitalg)
