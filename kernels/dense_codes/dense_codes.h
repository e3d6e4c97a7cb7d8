/* dense_codes: what the rows share. */
#ifndef INTQ_DENSE_CODES_H
#define INTQ_DENSE_CODES_H
#include <stdint.h>

#include "kernels.h"

enum { CODES_NR = 32 };

/* Bytes of a packed panel: 64 for every 4 of K. */
static inline int64_t codes_panel(const intq_dense_codes *p) { return (p->k + 3) / 4 * 64; }
/* Variant linear: steps of 4 of K that share a vector of 64 bytes. Step s of K lies in vector s / codes_steps; the codes of its channels 0..15 and
 * 16..31 are `bits` bits of each byte, at codes_bit(p, s, 0) and codes_bit(p, s, 1). */
static inline int64_t codes_steps(const intq_dense_codes *p) { return 4 / p->bits; }
static inline int codes_bit(const intq_dense_codes *p, int64_t step, int half) { return (int)(2 * (step % codes_steps(p)) + half) * p->bits; }
static inline int64_t codes_vectors(const intq_dense_codes *p) { return ((p->k + 3) / 4 + codes_steps(p) - 1) / codes_steps(p); }
/* The prepare function of the linear rows; scratch holds the inputs, padded with zeros to whole vectors, and a sum for each. */
int64_t intq_dense_linear_prepare(intq_dense_codes *p, uint8_t *packed);
static inline int64_t codes_ldx(const intq_dense_codes *p) { return codes_vectors(p) * codes_steps(p) * 4 + 64; }

/* `offset` is what a row adds to its inputs (128 for unsigned ones). */
int64_t intq_dense_codes_prepare(intq_dense_codes *p, uint8_t *packed, int32_t offset);
#endif
