/* What the products of bits share. Each kernels/vec/bits_<isa>.h defines
 *   bits_gemm(pairing, count, pass, rows, words, a, lda, b, end, acc)
 * acc[i][j] = end of: the sum over passes of 2^(how often a later pass doubles) * the sum over words of popcount(a[i] paired with b[.][j]), 32
 * columns, lda in bytes. */
#ifndef INTQ_VEC_BITS_H
#define INTQ_VEC_BITS_H
#include <stdint.h>

/* One pair of bit planes: bytes from the operands to it, and whether what was summed before counts twice from here on. */
typedef struct {
    int64_t a, b, twice;
} bit_pass;

typedef enum { BITS_XOR, BITS_AND } bits_pairing;

/* What becomes of a count: init[j] + row[i] + step * count; row may be NULL. */
typedef struct {
    const int32_t *init, *row;
    int32_t step;
} bits_end;

/* For rows whose registers do not do it. */
static inline void bits_settle(const bits_end *end, int64_t rows, int32_t *acc) {
    for (int64_t i = 0; i < rows; i++, acc += 32) {
        const int32_t more = end->row ? end->row[i] : 0;
        for (int j = 0; j < 32; j++) acc[j] = end->init[j] + more + end->step * acc[j];
    }
}
#endif
