/* bconv2d with vpopcntd. */
#include "bconv2d/avx512.h"
#include "vec/bits_avx512bitalg.h"

#include "bconv2d/bconv2d.inc"

BCONV_ROWS(avx512bitalg)
