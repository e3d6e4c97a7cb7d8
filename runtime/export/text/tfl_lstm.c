needs: clamp clamp64 scale31 rounding_shift inverse_sqrt dot_plain
typedef struct {
    const int8_t *w; /* [4][cells][inputs]: gates in the order input, forget, cell, output */
    const int32_t *w_bias;
    const int8_t *r; /* [4][cells][outputs] */
    const int32_t *r_bias, *scales;
    const int16_t *peephole, *norm;
    const int32_t *norm_bias;
    const int8_t *projection; /* [outputs][cells] */
    const int32_t *projection_bias;
    const int16_t *sigmoid, *tanh3, *tanh_cell; /* of every 16-bit value */
    int32_t steps, batch, inputs, cells, outputs, zero_point;
    int32_t time_major, cifg, use_peephole, use_norm, use_projection, cell_shift, cell_clip, output_clip;
    int32_t hidden_multiplier, hidden_shift, hidden_zero_point, projection_multiplier, projection_shift;
} tfl_lstm_layer;

/* Layer normalization with 2^10 steps per unit, in place. */
static void lstm_normalize(int16_t *g, int32_t n, const int16_t *weight, const int32_t *bias, const int32_t *s) {
    int64_t sum = 0, squares = 0;
    for (int32_t i = 0; i < n; i++) {
        sum += g[i];
        squares += g[i] * g[i];
    }
    const int32_t mean = (int32_t)(sum * 1024 / n);
    int32_t variance = (int32_t)((squares * ((1 << 20) / n) - (int64_t)mean * mean) / (1 << 20)), right;
    if (variance < 1) variance = s[8];
    const int32_t inverse = inverse_sqrt(variance, &right);
    for (int32_t i = 0; i < n; i++) {
        const int32_t scaled = scale31(1024 * g[i] - mean, inverse, -right);
        const int32_t v = (int32_t)((uint32_t)scaled * (uint32_t)weight[i] + (uint32_t)bias[i]);
        const int32_t rounded = (int32_t)(((int64_t)v + (v > 0 ? 512 : -512)) / 1024);
        g[i] = (int16_t)clamp(scale31(rounded, s[6], s[7] + 12), INT16_MIN, INT16_MAX);
    }
}

/* Gate k of sample b before its activation. */
static void lstm_gate(const tfl_lstm_layer *p, int32_t k, int32_t b, const int8_t *x, const int8_t *h, const int16_t *cell, int peephole, int16_t *out) {
    const int32_t *s = p->scales + 9 * k;
    for (int32_t c = 0; c < p->cells; c++) {
        const int32_t row = k * p->cells + c;
        const int32_t from_x = scale31(dot_plain(x, p->w + row * p->inputs, p->inputs, 0) + p->w_bias[row], s[0], s[1]);
        const int32_t from_h = scale31(dot_plain(h, p->r + row * p->outputs, p->outputs, 0) + p->r_bias[row], s[2], s[3]);
        int32_t v = clamp64((int64_t)clamp(from_x, INT16_MIN, INT16_MAX) + from_h, INT16_MIN, INT16_MAX);
        if (peephole) {
            const int32_t own = p->peephole[(k * p->batch + b) * p->cells + c];
            v = clamp64((int64_t)v + scale31(own * cell[c], s[4], s[5]), INT16_MIN, INT16_MAX);
        }
        out[c] = (int16_t)v;
    }
    if (p->use_norm) lstm_normalize(out, p->cells, p->norm + k * p->cells, p->norm_bias + k * p->cells, s);
}

static int8_t lstm_project(const tfl_lstm_layer *p, int32_t o, const int8_t *inner) {
    const int32_t acc = dot_plain(inner, p->projection + o * p->cells, p->cells, 0) + p->projection_bias[o];
    const int64_t v = (int64_t)scale31(acc, p->projection_multiplier, p->projection_shift) + p->zero_point;
    const int32_t q = clamp64(v, INT8_MIN, INT8_MAX);
    return (int8_t)(p->output_clip ? clamp(q, -p->output_clip, p->output_clip) : q);
}

/* All steps of a batch, from hidden state h0 and cell state c0 to h1 and c1; `gates` takes 10 bytes a cell. */
static void tfl_lstm(const tfl_lstm_layer *p, const int8_t *x, const int8_t *h0, const int16_t *c0, int8_t *y, int8_t *h1, int16_t *c1, void *gates) {
    int16_t *enter = gates, *forget = enter + p->cells, *update = forget + p->cells, *leave = update + p->cells;
    int8_t *inner = (int8_t *)(leave + p->cells);
    for (int32_t b = 0; b < p->batch; b++) {
        int8_t *h = h1 + b * p->outputs;
        int16_t *cell = c1 + b * p->cells;
        memmove(h, h0 + b * p->outputs, (size_t)p->outputs);
        memmove(cell, c0 + b * p->cells, (size_t)p->cells * sizeof *cell);
        for (int32_t t = 0; t < p->steps; t++) {
            const int32_t at = p->time_major ? t * p->batch + b : b * p->steps + t;
            const int8_t *now = x + at * p->inputs;
            lstm_gate(p, 1, b, now, h, cell, p->use_peephole, forget);
            lstm_gate(p, 2, b, now, h, cell, 0, update);
            if (!p->cifg) lstm_gate(p, 0, b, now, h, cell, p->use_peephole, enter);
            for (int32_t c = 0; c < p->cells; c++) {
                const int32_t f = p->sigmoid[(uint16_t)forget[c]], i = p->cifg ? 32767 - f : p->sigmoid[(uint16_t)enter[c]];
                const int16_t kept = (int16_t)rounding_shift(f * cell[c], 15);
                const int16_t added = (int16_t)rounding_shift(i * p->tanh3[(uint16_t)update[c]], 30 + p->cell_shift);
                const int32_t v = clamp(kept + added, INT16_MIN, INT16_MAX);
                cell[c] = (int16_t)(p->cell_clip ? clamp(v, -p->cell_clip, p->cell_clip) : v);
            }
            lstm_gate(p, 3, b, now, h, cell, p->use_peephole, leave);
            for (int32_t c = 0; c < p->cells; c++) {
                const int32_t product = p->sigmoid[(uint16_t)leave[c]] * p->tanh_cell[(uint16_t)cell[c]];
                const int64_t v = scale31(product, p->hidden_multiplier, p->hidden_shift);
                inner[c] = (int8_t)clamp64(p->use_projection ? v - p->hidden_zero_point : v + p->hidden_zero_point, INT8_MIN, INT8_MAX);
            }
            for (int32_t o = 0; o < p->outputs; o++) h[o] = p->use_projection ? lstm_project(p, o, inner) : inner[o];
            memcpy(y + at * p->outputs, h, (size_t)p->outputs);
        }
    }
}
