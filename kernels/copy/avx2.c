/* copy with the vectors of 256 bits that the compiler finds. */
#include "copy/copy.inc"

COPY(intq_copy_any_avx2)
