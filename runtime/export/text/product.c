needs: clamp wrapping_add requant_@rounding@
/* Weights, and how their sums become outputs; one entry per output channel. The bias holds the input's zero point and rounding. */
typedef struct {
    const int8_t *weights;
    const int32_t *bias;
    const @multiplier@ *multiplier;
    const int8_t *shift;
    int32_t channels, depth; /* outputs, and inputs of each */
    int32_t zero_point, lo, hi;
} product_@rounding@;

static inline int8_t finish_@rounding@(const product_@rounding@ *p, int32_t acc, int32_t channel) {
    const int32_t q = requant_@rounding@(wrapping_add(acc, p->bias[channel]), p->multiplier[channel], p->shift[channel], p->zero_point);
    return (int8_t)clamp(q, p->lo, p->hi);
}
