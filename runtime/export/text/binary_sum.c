needs: bits
typedef struct {
    const uint8_t *weights; /* [oc][kh][kw][bytes] */
    int32_t h, w, oh, ow, oc, kh, kw, bytes, channels;
    int32_t stride_h, stride_w, dilation_h, dilation_w, top, left;
    int32_t pad_value; /* outside the image: 1, -1, or 0 for nothing */
} binary_shape;

/* The inputs of one output pixel as a column, [kh][kw][bytes]; 0 where taps outside of the image count for nothing, so that there is none. */
static int binary_column(const binary_shape *p, const uint8_t *x, int32_t oy, int32_t ox, uint8_t *column) {
    for (int32_t ky = 0, iy = oy * p->stride_h - p->top; ky < p->kh; ky++, iy += p->dilation_h)
        for (int32_t kx = 0, ix = ox * p->stride_w - p->left; kx < p->kw; kx++, ix += p->dilation_w, column += p->bytes) {
            if (iy >= 0 && iy < p->h && ix >= 0 && ix < p->w) {
                memcpy(column, x + (iy * p->w + ix) * p->bytes, (size_t)p->bytes);
                continue;
            }
            if (p->pad_value == 0) return 0;
            for (int32_t i = 0; i < p->bytes; i++) {
                const int32_t left = p->channels - 8 * i;
                column[i] = (uint8_t)(p->pad_value < 0 || left <= 0 ? 0 : left >= 8 ? 255 : (1 << left) - 1);
            }
        }
    return 1;
}

/* The sum of products of one output: its inputs less twice the bits that differ. */
static inline int32_t column_sum(const binary_shape *p, const uint8_t *column, int32_t o) {
    const int32_t size = p->kh * p->kw * p->bytes;
    return p->kh * p->kw * p->channels - 2 * different_bits(column, p->weights + o * size, size);
}

/* The same without a column, of the taps inside. */
static int32_t binary_sum(const binary_shape *p, const uint8_t *x, int32_t oy, int32_t ox, int32_t o) {
    const uint8_t *w = p->weights + o * p->kh * p->kw * p->bytes;
    int32_t taps = 0, different = 0;
    for (int32_t ky = 0, iy = oy * p->stride_h - p->top; ky < p->kh; ky++, iy += p->dilation_h)
        for (int32_t kx = 0, ix = ox * p->stride_w - p->left; kx < p->kw; kx++, ix += p->dilation_w, w += p->bytes) {
            if (iy < 0 || iy >= p->h || ix < 0 || ix >= p->w) continue;
            different += different_bits(x + (iy * p->w + ix) * p->bytes, w, p->bytes);
            taps++;
        }
    return taps * p->channels - 2 * different;
}
