/* add16. */
#include "add16/add16.inc"

ADD16(scalar)
