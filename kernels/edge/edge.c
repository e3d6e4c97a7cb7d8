/* The edge: float inputs to integers, integers to float outputs. The one object with floating-point arithmetic.
 * Built with -ffp-contract=off; equals np.clip(np.rint(x * inverse_scale) + zero_point, lo, hi) in float32, bit for bit. */
#include <math.h>
#include <stdint.h>

#include "decl.h"

static inline int32_t quantize_one(float x, float inverse_scale, float zero_point, float lo, float hi) {
    const float v = rintf(x * inverse_scale) + zero_point;
    return (int32_t)(v < lo ? lo : v > hi ? hi : v);
}

static inline void store(void *out, int64_t i, int32_t v, int32_t element_size) {
    if (element_size == 1)
        ((uint8_t *)out)[i] = (uint8_t)v;
    else if (element_size == 2)
        ((uint16_t *)out)[i] = (uint16_t)v;
    else
        ((int32_t *)out)[i] = v;
}

int64_t intq_quantize(const float *x, const int64_t *dims, const int64_t *xs, float inverse_scale, int32_t zero_point, int32_t lo, int32_t hi,
                      int32_t element_size, void *out) {
    const float z = (float)zero_point, l = (float)lo, h = (float)hi;
    int64_t i = 0;
    for (int64_t a = 0; a < dims[0]; a++)
        for (int64_t b = 0; b < dims[1]; b++)
            for (int64_t c = 0; c < dims[2]; c++)
                for (int64_t d = 0; d < dims[3]; d++)
                    for (int64_t e = 0; e < dims[4]; e++) {
                        const float *p = x + a * xs[0] + b * xs[1] + c * xs[2] + d * xs[3] + e * xs[4];
                        for (int64_t f = 0; f < dims[5]; f++, i++) {
                            const float v = p[f * xs[5]];
                            if (v != v) return i;
                            store(out, i, quantize_one(v, inverse_scale, z, l, h), element_size);
                        }
                    }
    return -1;
}

static inline int32_t load(const void *q, int64_t i, int32_t element_size, int32_t is_signed) {
    if (element_size == 1) return is_signed ? ((const int8_t *)q)[i] : ((const uint8_t *)q)[i];
    if (element_size == 2) return ((const int16_t *)q)[i];
    return ((const int32_t *)q)[i];
}

void intq_dequantize(const void *q, const int64_t *dims, const int64_t *qs, float scale, int32_t zero_point, int32_t element_size,
                     int32_t is_signed, float *out) {
    int64_t i = 0;
    for (int64_t a = 0; a < dims[0]; a++)
        for (int64_t b = 0; b < dims[1]; b++)
            for (int64_t c = 0; c < dims[2]; c++)
                for (int64_t d = 0; d < dims[3]; d++)
                    for (int64_t e = 0; e < dims[4]; e++)
                        for (int64_t f = 0; f < dims[5]; f++) {
                            const int64_t at = a * qs[0] + b * qs[1] + c * qs[2] + d * qs[3] + e * qs[4] + f * qs[5];
                            out[i++] = scale * (float)((int64_t)load(q, at, element_size, is_signed) - zero_point);
                        }
}
