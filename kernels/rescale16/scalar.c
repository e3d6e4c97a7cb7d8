/* rescale16. */
#include "rescale16/rescale16.inc"

RESCALE16(scalar)
