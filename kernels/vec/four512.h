/* Four bytes in every lane of a vector. */
#ifndef INTQ_VEC_FOUR512_H
#define INTQ_VEC_FOUR512_H
#include <immintrin.h>
#include <stdint.h>

#define INLINE static inline __attribute__((always_inline))

INLINE __m512i four_bytes(const void *a) {
    int32_t v;
    __builtin_memcpy(&v, a, 4);
    return _mm512_set1_epi32(v);
}
#endif
