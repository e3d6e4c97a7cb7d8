/* requant16 in plain C. */
#include "conv16/requant16.h"

static inline void requant16(const intq_requant16 *q, int64_t channel, int64_t m, int64_t n, const int32_t *sum, int64_t ldacc, int16_t *y, int64_t ldo) {
    for (int64_t i = 0; i < m; i++) requant16_plain(q, channel, n, sum + i * ldacc, y + i * ldo);
}
