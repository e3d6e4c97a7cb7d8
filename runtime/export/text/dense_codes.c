needs: clamp wrapping_add requant_@rounding@
/* Weights of four bits: codes into a table of 16 entries, the low half of a byte first; every `group` weights share a multiplier. */
typedef struct {
    const uint8_t *codes, *multipliers; /* [channels][(depth + 1) / 2], [channels][groups] */
    const int8_t *codebook;
    const int32_t *bias;
    const @multiplier@ *multiplier;
    const int8_t *shift;
    int32_t channels, depth, group;
    int32_t zero_point, lo, hi;
} dense_codes_@rounding@_layer;

static void dense_codes_@rounding@(const dense_codes_@rounding@_layer *layer, const int8_t *x, int8_t *y, int32_t rows) {
    const dense_codes_@rounding@_layer p = *layer;
    for (; rows > 0; rows--, x += p.depth) {
        const uint8_t *codes = p.codes, *multiplier = p.multipliers;
        for (int32_t j = 0; j < p.channels; j++, codes += (p.depth + 1) / 2) {
            int32_t acc = p.bias[j];
            for (int32_t k = 0; k < p.depth; multiplier++) {
                const int32_t end = p.depth - k < p.group ? p.depth : k + p.group;
                int32_t sum = 0;
                for (; k + 1 < end; k += 2) sum += x[k] * p.codebook[codes[k / 2] & 15] + x[k + 1] * p.codebook[codes[k / 2] >> 4];
                for (; k < end; k++) sum += x[k] * p.codebook[codes[k / 2] & 15];
                acc = wrapping_add(acc, (int32_t)((uint32_t)sum * *multiplier));
            }
            *y++ = (int8_t)clamp(requant_@rounding@(acc, p.multiplier[j], p.shift[j], p.zero_point), p.lo, p.hi);
        }
    }
}
