/* What the products of bits share. Each kernels/vec/bits_<isa>.h defines
 *   bits_gemm(pairing, count, pass, rows, words, a, lda, b, acc)
 * acc[i][j] = the sum over passes of 2^(how often a later pass doubles) * the sum over words of popcount(a[i] paired with b[.][j]), 32 columns, lda in
 * bytes. */
#ifndef INTQ_VEC_BITS_H
#define INTQ_VEC_BITS_H
#include <stdint.h>

/* One pair of bit planes: bytes from the operands to it, and whether what was summed before counts twice from here on. */
typedef struct {
    int64_t a, b, twice;
} bit_pass;

typedef enum { BITS_XOR, BITS_AND } bits_pairing;
#endif
