/* planes: what the drivers of all instruction sets share. */
#ifndef INTQ_PLANES_H
#define INTQ_PLANES_H
#include "bconv2d/bconv2d.h"

static inline int64_t planes_words(const intq_planes *p) { return bconv_taps(&p->bits) * p->bits.bytes / 4; }
/* The prepare function of every row. */
int64_t intq_planes_prepare(intq_planes *p, uint8_t *packed);
#endif
