/* SVDF and LSTM layers of imported models, one sample a unit (SPEC_tflite.md, T26 to T28). */
#include "tfl.h"
#include <string.h>

#define KERNEL(name) void intq_##name##_scalar(const void *params, void *const *io, int64_t begin, int64_t end, uint8_t *scratch)
#define SAT16(v) tfl_clamp(v, INT16_MIN, INT16_MAX)

static int32_t dot8(const int8_t *a, const int8_t *b, int64_t n, int32_t zero_point) {
    int32_t acc = 0;
    for (int64_t i = 0; i < n; i++) acc += (a[i] - zero_point) * b[i];
    return acc;
}

KERNEL(tfl_svdf_s8) {
    const intq_tfl_svdf *p = params;
    (void)scratch;
    for (int64_t b = begin; b < end; b++) {
        const int8_t *x = (const int8_t *)io[0] + b * p->inputs;
        const int16_t *old = (const int16_t *)io[1] + b * p->filters * p->memory;
        int8_t *y = (int8_t *)io[2] + b * p->filters / p->rank;
        int16_t *next = (int16_t *)io[3] + b * p->filters * p->memory;
        for (int64_t u = 0; u < p->filters / p->rank; u++) {
            int32_t total = 0;
            for (int64_t f = u * p->rank; f < (u + 1) * p->rank; f++) {
                int16_t *state = next + f * p->memory;
                const int16_t *time = p->time + f * p->memory;
                memmove(state, old + f * p->memory + 1, (size_t)(p->memory - 1) * sizeof *state);
                const int32_t acc = dot8(x, p->feature + f * p->inputs, p->inputs, p->x_zero_point);
                state[p->memory - 1] = (int16_t)SAT16(tfl_scale31(acc, p->m1, p->s1));
                for (int64_t m = 0; m < p->memory; m++) total += state[m] * time[m];
            }
            y[u] = (int8_t)tfl_clamp((int64_t)tfl_scale31(total + p->bias[u], p->m2, p->s2) + p->y_zero_point, INT8_MIN, INT8_MAX);
        }
    }
}

/* (T28) in place. */
static void normalize(int16_t *g, int64_t n, const int16_t *weight, const int32_t *bias, const int32_t *s) {
    int64_t sum = 0, squares = 0;
    for (int64_t i = 0; i < n; i++) {
        sum += g[i];
        squares += (int64_t)g[i] * g[i];
    }
    const int32_t mean = (int32_t)(sum * 1024 / n);
    int32_t variance = (int32_t)((squares * ((1 << 20) / n) - (int64_t)mean * mean) / (1 << 20)), right;
    if (variance < 1) variance = s[8];
    const int32_t inverse = tfl_inverse_sqrt(variance, &right);
    for (int64_t i = 0; i < n; i++) {
        const int32_t scaled = tfl_scale31(1024 * g[i] - mean, inverse, -right);
        const int32_t v = (int32_t)((uint32_t)scaled * (uint32_t)weight[i] + (uint32_t)bias[i]);
        const int32_t rounded = (int32_t)(((int64_t)v + (v > 0 ? 512 : -512)) / 1024);
        g[i] = (int16_t)SAT16(tfl_scale31(rounded, s[6], s[7] + 12));
    }
}

/* (T27): gate k of one sample, before its activation. */
static void gate(const intq_tfl_lstm *p, int k, int64_t b, const int8_t *x, const int8_t *h, const int16_t *cell, int peephole, int16_t *out) {
    const int32_t *s = p->scales + 9 * k;
    const int16_t *own = p->peephole + (k * p->batch + b) * p->cells;
    for (int64_t c = 0; c < p->cells; c++) {
        const int64_t row = k * p->cells + c;
        int32_t v = SAT16(tfl_scale31(dot8(x, p->w + row * p->inputs, p->inputs, 0) + p->w_bias[row], s[0], s[1]));
        v = SAT16((int64_t)v + tfl_scale31(dot8(h, p->r + row * p->outputs, p->outputs, 0) + p->r_bias[row], s[2], s[3]));
        if (peephole) v = SAT16((int64_t)v + tfl_scale31(own[c] * cell[c], s[4], s[5]));
        out[c] = (int16_t)v;
    }
    if (p->use_norm) normalize(out, p->cells, p->norm + k * p->cells, p->norm_bias + k * p->cells, s);
}

static int8_t output(const intq_tfl_lstm *p, int64_t o, const int8_t *inner) {
    const int32_t acc = dot8(inner, p->projection + o * p->cells, p->cells, 0) + p->projection_bias[o];
    const int32_t v = tfl_clamp((int64_t)tfl_scale31(acc, p->projection_multiplier, p->projection_shift) + p->y_zero_point, INT8_MIN, INT8_MAX);
    return (int8_t)(p->output_clip ? tfl_clamp(v, -p->output_clip, p->output_clip) : v);
}

KERNEL(tfl_lstm_s8) {
    const intq_tfl_lstm *p = params;
    int16_t *enter = (int16_t *)scratch, *forget = enter + p->cells, *update = forget + p->cells, *leave = update + p->cells;
    int8_t *inner = (int8_t *)(leave + p->cells);
    for (int64_t b = begin; b < end; b++) {
        int8_t *h = (int8_t *)io[4] + b * p->outputs;
        int16_t *cell = (int16_t *)io[5] + b * p->cells;
        memmove(h, (const int8_t *)io[1] + b * p->outputs, (size_t)p->outputs);
        memmove(cell, (const int16_t *)io[2] + b * p->cells, (size_t)p->cells * sizeof *cell);
        for (int64_t t = 0; t < p->steps; t++) {
            const int64_t at = p->time_major ? t * p->batch + b : b * p->steps + t;
            const int8_t *x = (const int8_t *)io[0] + at * p->inputs;
            gate(p, 1, b, x, h, cell, p->use_peephole, forget);
            gate(p, 2, b, x, h, cell, 0, update);
            if (!p->cifg) gate(p, 0, b, x, h, cell, p->use_peephole, enter);
            for (int64_t c = 0; c < p->cells; c++) {
                const int32_t f = p->sigmoid[(uint16_t)forget[c]], i = p->cifg ? 32767 - f : p->sigmoid[(uint16_t)enter[c]];
                const int16_t kept = (int16_t)tfl_shift_right(f * cell[c], 15);
                const int16_t added = (int16_t)tfl_shift_right(i * p->tanh3[(uint16_t)update[c]], 30 + p->cell_shift);
                const int32_t v = SAT16(kept + added);
                cell[c] = (int16_t)(p->cell_clip ? tfl_clamp(v, -p->cell_clip, p->cell_clip) : v);
            }
            gate(p, 3, b, x, h, cell, p->use_peephole, leave);
            for (int64_t c = 0; c < p->cells; c++) {
                const int32_t product = p->sigmoid[(uint16_t)leave[c]] * p->tanh_cell[(uint16_t)cell[c]];
                const int64_t v = tfl_scale31(product, p->hidden_multiplier, p->hidden_shift);
                inner[c] = (int8_t)tfl_clamp(p->use_projection ? v - p->hidden_zero_point : v + p->hidden_zero_point, INT8_MIN, INT8_MAX);
            }
            for (int64_t o = 0; o < p->outputs; o++) h[o] = p->use_projection ? output(p, o, inner) : inner[o];
            memcpy((int8_t *)io[3] + at * p->outputs, h, (size_t)p->outputs);
        }
    }
}
