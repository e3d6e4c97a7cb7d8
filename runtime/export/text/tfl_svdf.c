needs: clamp clamp64 scale31 wrapping_add dot_plain
typedef struct {
    const int8_t *feature; /* [units * rank][inputs] */
    const int16_t *time;   /* [units * rank][memory] */
    const int32_t *bias;
    int32_t batch, inputs, units, memory, rank;
    int32_t m1, s1, m2, s2, x_zero_point, zero_point;
} tfl_svdf_layer;

/* Each filter's newest product joins its history, which `next` receives; a unit sums the weighted histories of its filters. */
static void tfl_svdf(const tfl_svdf_layer *p, const int8_t *x, const int16_t *old, int8_t *y, int16_t *next) {
    for (int32_t b = 0; b < p->batch; b++, x += p->inputs)
        for (int32_t u = 0; u < p->units; u++) {
            int32_t total = p->bias[u];
            for (int32_t f = u * p->rank; f < (u + 1) * p->rank; f++, old += p->memory, next += p->memory) {
                memmove(next, old + 1, (size_t)(p->memory - 1) * sizeof *next);
                const int32_t acc = dot_plain(x, p->feature + f * p->inputs, p->inputs, p->x_zero_point);
                next[p->memory - 1] = (int16_t)clamp(scale31(acc, p->m1, p->s1), INT16_MIN, INT16_MAX);
                for (int32_t m = 0; m < p->memory; m++) total = wrapping_add(total, next[m] * p->time[f * p->memory + m]);
            }
            *y++ = (int8_t)clamp64((int64_t)scale31(total, p->m2, p->s2) + p->zero_point, INT8_MIN, INT8_MAX);
        }
}
