/* copy without vector flags. */
#include "copy/copy.inc"

COPY(intq_copy_any_scalar)
