/* dense_codes: what the rows share. */
#ifndef INTQ_DENSE_CODES_H
#define INTQ_DENSE_CODES_H
#include <stdint.h>

#include "kernels.h"

enum { CODES_NR = 32 };

/* Bytes of a packed panel: 64 for every 4 of K. */
static inline int64_t codes_panel(const intq_dense_codes *p) { return (p->k + 3) / 4 * 64; }
/* `offset` is what a row adds to its inputs (128 for unsigned ones). */
int64_t intq_dense_codes_prepare(intq_dense_codes *p, uint8_t *packed, int32_t offset);
#endif
