/* What the finish files with vectors share. A file defines
 *   blocks_<rounding>(params, m, n, acc, ldacc, rq, out, ldo, layout)   rows of n channels, at most one vector of bytes
 * and ends with FINISH(rounding, isa, params, bytes): one row a vector, or two or four where their channels fit in half or a quarter of it.
 * Where a vector's parameters cannot say what some channel needs (`slow`), that vector is finished as the reference is. */
#define FINISH(rounding, isa, params, bytes)                                                                                           \
    INLINE void layout_##rounding(int64_t m, int64_t n, const int32_t *acc, int64_t ldacc, const intq_requant *rq, int64_t channel,    \
                                  int8_t *out, int64_t ldo, params##_layout layout) {                                                  \
        params p;                                                                                                                      \
        params##_load_##rounding(&p, rq, channel, n, layout);                                                                          \
        if (p.slow) {                                                                                                                  \
            for (int64_t i = 0; i < m; i++)                                                                                            \
                for (int64_t j = 0; j < n; j++)                                                                                        \
                    out[i * ldo + j] =                                                                                                 \
                        requant_##rounding(acc[i * ldacc + j] + (rq->bias ? rq->bias[channel + j] : 0), rq, channel + j);              \
        } else                                                                                                                         \
            blocks_##rounding(&p, m, n, acc, ldacc, rq, out, ldo, layout);                                                             \
    }                                                                                                                                  \
    void intq_finish_##rounding##_##isa(int64_t m, int64_t n, const int32_t *acc, int64_t ldacc, const intq_requant *rq,               \
                                        int64_t channel0, int8_t *out, int64_t ldo) {                                                  \
        for (int64_t j = 0; j < n; j += bytes) {                                                                                       \
            const int64_t w = n - j < bytes ? n - j : bytes;                                                                           \
            if (w > bytes / 2)                                                                                                         \
                layout_##rounding(m, w, acc + j, ldacc, rq, channel0 + j, out + j, ldo, RQ_ROW);                                       \
            else if (w > bytes / 4)                                                                                                    \
                layout_##rounding(m, w, acc + j, ldacc, rq, channel0 + j, out + j, ldo, RQ_PAIR);                                      \
            else                                                                                                                       \
                layout_##rounding(m, w, acc + j, ldacc, rq, channel0 + j, out + j, ldo, RQ_QUAD);                                      \
        }                                                                                                                              \
    }
