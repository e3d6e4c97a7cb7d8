needs: bits
typedef struct {
    const uint8_t *weights; /* [oc][kh][kw][bytes] */
    int32_t h, w, oh, ow, oc, kh, kw, bytes, channels;
    int32_t stride_h, stride_w, dilation_h, dilation_w, top, left;
    int32_t pad_value; /* outside the image: 1, -1, or 0 for nothing */
} binary_shape;

/* The sum of products of one output: the channels less twice the bits that differ, tap by tap. */
static int32_t binary_sum(const binary_shape *p, const uint8_t *x, int32_t oy, int32_t ox, int32_t o) {
    const uint8_t *w = p->weights + o * p->kh * p->kw * p->bytes;
    int32_t acc = 0;
    for (int32_t ky = 0, iy = oy * p->stride_h - p->top; ky < p->kh; ky++, iy += p->dilation_h)
        for (int32_t kx = 0, ix = ox * p->stride_w - p->left; kx < p->kw; kx++, ix += p->dilation_w, w += p->bytes) {
            const int inside = iy >= 0 && iy < p->h && ix >= 0 && ix < p->w;
            int32_t different = 0;
            if (!inside && p->pad_value == 0) continue;
            for (int32_t i = 0; i < p->bytes; i += 4) {
                uint32_t a = 0, b;
                memcpy(&b, w + i, 4);
                if (inside) memcpy(&a, x + (iy * p->w + ix) * p->bytes + i, 4);
                different += count_bits(a ^ b);
            }
            if (!inside && p->pad_value > 0) different = p->channels - different;
            acc += p->channels - 2 * different;
        }
    return acc;
}
