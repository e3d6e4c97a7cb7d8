/* spconv2d: plain C, and the packing that every row shares. */
#include "spconv2d/plain.inc"

SP_PLAIN_ROWS(scalar)

/* Whether weights [at, at + n) of channels [o, o + width) are all zero. */
static int is_zero(const intq_conv2d *c, int64_t k, int64_t o, int64_t width, int64_t at, int64_t n) {
    for (int64_t j = o; j < conv_min(o + width, c->oc); j++)
        for (int64_t q = at; q < conv_min(at + n, k); q++)
            if (c->weights[j * k + q]) return 0;
    return 1;
}

/* Of kernels with channels in the lanes: a unit's operands if pixels are read as they are, and its pixels; output pixels of a row that is worth
 * a unit. */
enum { UNIT_BYTES = 12 << 10, L1_BYTES = 40 << 10, UNIT_PIXELS = 192, MANY_PIXELS = 24 };

/* What every row needs to know but the weights: left operands `lda` apart, units, scratch. `lanes`: 16 channels are in the lanes of vectors. */
static void plan(intq_spconv2d *p, int64_t width, int lanes) {
    intq_conv2d *c = &p->conv;
    const int64_t k = (int64_t)c->kh * c->kw * c->c;
    c->segs = 1;
    c->seg_k = k;
    c->lda = conv_round_up(k, 64) + 64; /* an odd number of lines apart: the rows of a block share no cache set */
    p->pixels = width == 1 ? SP_LANES : SP_ROWS;
    p->lists = (c->oc + width - 1) / width;
    p->units = ((int64_t)c->n * c->oh * c->ow + p->pixels - 1) / p->pixels;
    c->band = SP_LANES; /* conv_fill_columns keeps input rows behind that many pixels */
    p->scratch_bytes = SP_LANES * SP_TILE * 8 + SP_LANES * c->lda * 2 + conv_columns_bytes(c) + c->kh * conv_padded_width(c) * c->c + 4 * INTQ_SLACK;
    p->rows = p->pitch = p->columns = 0;
    if (!lanes) return;
    const int64_t pitch = (int64_t)(c->ow - 1) * c->stride_w + 1 + (int64_t)(c->kw - 1) * c->dilation_w, all = (int64_t)c->n * c->oh * c->ow;
    if (sp_direct(c)) {
        c->lda = c->c;
        p->pixels = UNIT_PIXELS;
        while (p->pixels > SP_ROWS && (p->pixels * c->c > UNIT_BYTES || p->pixels * (c->oc & -c->oc) > UNIT_PIXELS * 64)) p->pixels /= 2;
        if (p->pixels * c->c > L1_BYTES) p->pixels /= 2;
        p->pixels += all % p->pixels == 1;
        p->units = (all + p->pixels - 1) / p->pixels;
        p->scratch_bytes = p->pixels * (SP_TILE * 4 + c->c) + 4 * INTQ_SLACK;
        return;
    }
    if (p->pixels * c->lda > L1_BYTES) p->pixels /= 2;
    p->pixels += all % p->pixels == 1; /* one that is left over is better off with others */
    p->units = (all + p->pixels - 1) / p->pixels;
    if (c->kh * c->kw == 1) return;
    const int even = c->stride_h == 1 && c->stride_w == 1 && c->c % 4 == 0 && pitch <= SP_PITCH;
    if (!even && c->ow < MANY_PIXELS) return;
    p->pitch = pitch;
    p->rows = even && pitch <= SP_LANES ? conv_min(c->oh, SP_LANES / pitch) : 1;
    p->pixels = p->rows * (even ? pitch : c->ow);
    p->units = c->n * ((c->oh + p->rows - 1) / p->rows);
    c->lda = c->stride_w * c->c;
    p->scratch_bytes = p->pixels * SP_TILE * 4 + (p->rows + (int64_t)(c->kh - 1) * c->dilation_h) * pitch * c->c + 4 * INTQ_SLACK;
}

/* bias -= (zero point of the operands as the kernel reads them) * (sum of the channel's weights), modulo 2^32 */
static void fold(intq_conv2d *c, int32_t zero_point) {
    const int64_t k = (int64_t)c->kh * c->kw * c->c;
    for (int64_t o = 0; o < c->oc; o++) {
        int32_t sum = 0;
        for (int64_t q = 0; q < k; q++) sum += c->weights[o * k + q];
        c->bias[o] -= (int32_t)((uint32_t)zero_point * (uint32_t)sum);
    }
}

/* The next block of a list: from k on the first at[0], and how many weights, up to 4, whose operands lie side by side. 0: there is none. With
 * channels in lanes blocks begin where something is, else at multiples of 4. */
static int64_t next_block(const intq_spconv2d *p, int64_t list, int64_t width, sp_packing packing, int64_t *at) {
    const intq_conv2d *c = &p->conv;
    const int64_t k = (int64_t)c->kh * c->kw * c->c, step = packing != SP_PLAIN && width == 16 ? 1 : 4;
    while (*at < k && is_zero(c, k, list * width, width, *at, step)) *at += step;
    if (*at >= k) return 0;
    int64_t n = 1;
    while (n < 4 && *at + n < k && (step == 4 || sp_at(p, *at + n) == sp_at(p, *at) + n)) n++;
    return n;
}

int64_t intq_spconv2d_prepare(intq_spconv2d *p, uint8_t *packed, int64_t width, sp_packing packing) {
    intq_conv2d *c = &p->conv;
    const int64_t k = (int64_t)c->kh * c->kw * c->c;
    plan(p, width, packing != SP_PLAIN && width == 16);
    int64_t blocks = 0;
    for (int64_t i = 0; i < p->lists; i++)
        for (int64_t at = 0, n; (n = next_block(p, i, width, packing, &at)) > 0; at += n) blocks++;
    const int64_t firsts = conv_round_up((p->lists + 1) * 4, 64), offsets = conv_round_up((blocks + 8) * 4, 64), bytes = blocks * width * 4;
    const int64_t total = firsts + offsets + bytes + INTQ_SLACK;
    if (!packed) return total;
    memset(packed, 0, (size_t)total);
    int32_t *first = (int32_t *)packed, *offset = (int32_t *)(packed + firsts);
    int8_t *block = (int8_t *)packed + firsts + offsets;
    p->first = first, p->offset = offset, p->blocks = block;
    int32_t count = 0;
    for (int64_t i = 0; i < p->lists; i++) {
        first[i] = count;
        for (int64_t at = 0, n; (n = next_block(p, i, width, packing, &at)) > 0; at += n, block += width * 4) {
            offset[count++] = (int32_t)(width == 1 ? at / 4 * SP_LANES * 16 : sp_at(p, at));
            for (int64_t j = 0; j < width && i * width + j < c->oc; j++)
                for (int64_t q = 0; q < n; q++) {
                    const int64_t to = packing == SP_DOT4 ? 4 * j + q : packing == SP_PAIR ? q / 2 * 2 * width + 2 * j + q % 2 : q * width + j;
                    block[to] = c->weights[(i * width + j) * k + at + q];
                }
        }
    }
    first[p->lists] = count;
    fold(c, c->x_zero_point + (packing == SP_DOT4 ? 128 : 0));
    return total;
}

/* What one step of csr takes: of each of `channels` rows of k weights, from next[] on, up to 4 whose operands lie in the SP_WINDOW from `from` on.
 * Moves `next` beyond them; writes them where `step` is not NULL. Returns how many. */
static int64_t csr_step(const intq_spconv2d *p, const int8_t *w, int64_t k, int64_t channels, int64_t from, int64_t *next, int8_t *step) {
    int64_t all = 0;
    for (int64_t j = 0; j < channels; j++)
        for (int64_t taken = 0; next[j] < k && sp_at(p, next[j]) < from + SP_WINDOW && taken < 4; next[j]++) {
            if (!w[j * k + next[j]]) continue;
            if (step) {
                step[4 * j + taken] = (int8_t)(sp_at(p, next[j]) - from);
                step[64 + 4 * j + taken] = w[j * k + next[j]];
            }
            taken++, all++;
        }
    return all;
}

/* Steps of one list of 16 channels: each takes from every channel up to 4 of its next weights, all within SP_WINDOW of the least of them that is
 * left, so that a channel with many zeros waits for the others, but not at fixed borders; yet from the start of that one's cache line if this
 * takes as many. Writes them where `steps` is not NULL. */
static int64_t csr_list(const intq_spconv2d *p, int64_t list, int32_t *offset, int8_t *steps) {
    const intq_conv2d *c = &p->conv;
    const int64_t k = (int64_t)c->kh * c->kw * c->c, channels = conv_min(16, c->oc - 16 * list);
    const int8_t *w = c->weights + 16 * list * k;
    int64_t next[16], count = 0;
    for (int64_t j = 0; j < channels; j++) next[j] = 0;
    for (;; count++) {
        int64_t least = k;
        for (int64_t j = 0; j < channels; j++) {
            while (next[j] < k && !w[j * k + next[j]]) next[j]++;
            least = conv_min(least, next[j]);
        }
        if (least == k) return count;
        int64_t from = sp_at(p, least), after[16], aligned[16];
        memcpy(after, next, sizeof next);
        memcpy(aligned, next, sizeof next);
        const int64_t most = csr_step(p, w, k, channels, from, after, NULL);
        if (csr_step(p, w, k, channels, from / 64 * 64, aligned, NULL) == most) from = from / 64 * 64;
        csr_step(p, w, k, channels, from, next, steps ? steps + count * 128 : NULL);
        if (steps) offset[count] = (int32_t)from;
    }
}

/* A window over taps of few channels holds more of them in columns than in rows of the image. */
static void plan_columns(intq_spconv2d *p) {
    intq_conv2d *c = &p->conv;
    if (!p->pitch || p->rows > 1 || c->kh == 1 || c->kw * c->c > SP_SHORT || c->dilation_w > 1 || c->seg_k <= SP_WINDOW) return;
    p->columns = p->pitch;
    p->pitch = 0;
    p->pixels = c->ow;
    p->units = (int64_t)c->n * c->oh;
    c->lda = conv_round_up((c->kh - 1) * c->kw * c->c + SP_SHORT, 64);
    p->scratch_bytes = c->ow * (SP_TILE * 4 + c->lda) + c->kh * p->columns * c->c + 4 * INTQ_SLACK;
}

int64_t intq_spconv2d_prepare_csr(intq_spconv2d *p, uint8_t *packed, int32_t flipped) {
    intq_conv2d *c = &p->conv;
    plan(p, 16, flipped != 0);
    plan_columns(p);
    int64_t count = 0;
    for (int64_t i = 0; i < p->lists; i++) count += csr_list(p, i, NULL, NULL);
    const int64_t firsts = conv_round_up((p->lists + 1) * 4, 64), offsets = conv_round_up(count * 4, 64);
    const int64_t total = firsts + offsets + count * 128 + INTQ_SLACK;
    if (!packed) return total;
    memset(packed, 0, (size_t)total);
    int32_t *first = (int32_t *)packed, *offset = (int32_t *)(packed + firsts);
    int8_t *steps = (int8_t *)packed + firsts + offsets;
    p->first = first, p->offset = offset, p->blocks = steps;
    for (int64_t i = 0; i < p->lists; i++) first[i + 1] = first[i] + (int32_t)csr_list(p, i, offset + first[i], steps + 128 * (int64_t)first[i]);
    fold(c, c->x_zero_point + flipped);
    return total;
}

void intq_spconv2d_csr_scalar(const void *params, void *const *io, int64_t begin, int64_t end, uint8_t *scratch) {
    const intq_spconv2d *p = params;
    const intq_conv2d *c = &p->conv;
    int32_t *acc = (int32_t *)scratch;
    int8_t *a = (int8_t *)(acc + SP_ROWS * 16);
    const int64_t all = (int64_t)c->n * c->oh * c->ow;
    intq_requant rq = c->rq;
    rq.bias = NULL;
    for (int64_t unit = begin; unit < end; unit++) {
        const int64_t pixel0 = unit * SP_ROWS, pixels = conv_min(SP_ROWS, all - pixel0);
        sp_fill(c, io[0], pixel0, pixels, a, 0);
        for (int64_t list = 0; list < p->lists; list++) {
            for (int64_t i = 0; i < pixels; i++) {
                int32_t *sum = acc + 16 * i;
                memcpy(sum, c->rq.bias + 16 * list, 64);
                for (int64_t s = p->first[list]; s < p->first[list + 1]; s++) {
                    const int8_t *x = a + i * c->lda + p->offset[s], *pick = p->blocks + 128 * s;
                    for (int j = 0; j < 64; j++)
                        if (pick[64 + j]) sum[j / 4] += x[pick[j]] * pick[64 + j];
                }
            }
            c->finish(pixels, conv_min(16, c->oc - list * 16), acc, 16, &rq, list * 16, (int8_t *)io[1] + pixel0 * c->oc + list * 16, c->oc);
        }
    }
}

int64_t intq_spconv2d_csr_scalar_prepare(void *params, uint8_t *packed) { return intq_spconv2d_prepare_csr(params, packed, 0); }

enum { TILE_PIXELS = 128, TILE_BLOCK = 1024 };

/* Units of b16x64: rows of the image where windows overlap and no block crosses taps, else runs of pixels in columns. */
static void plan_tiles(intq_spconv2d *p) {
    intq_conv2d *c = &p->conv;
    plan(p, 16, 0);
    const int64_t pitch = c->ow + (int64_t)(c->kw - 1) * c->dilation_w, pixels = (int64_t)c->n * c->oh * c->ow;
    if (c->kh * c->kw > 1 && c->stride_h == 1 && c->stride_w == 1 && c->c % 64 == 0 && pitch <= TILE_PIXELS) {
        p->pitch = pitch;
        p->rows = conv_min(c->oh, TILE_PIXELS / pitch);
        p->pixels = p->rows * pitch;
        p->units = c->n * ((c->oh + p->rows - 1) / p->rows);
        c->lda = c->c;
        p->scratch_bytes = p->pixels * SP_TILE * 4 + (p->rows + (int64_t)(c->kh - 1) * c->dilation_h) * pitch * c->c + 4 * INTQ_SLACK;
        return;
    }
    const int64_t blocks = (pixels + TILE_PIXELS - 1) / TILE_PIXELS;
    p->pixels = (pixels + blocks - 1) / blocks;
    p->units = (pixels + p->pixels - 1) / p->pixels;
    p->scratch_bytes = p->pixels * (SP_TILE * 4 + c->lda) + 4 * INTQ_SLACK;
}

int64_t intq_spconv2d_prepare_tiles(intq_spconv2d *p, uint8_t *packed) {
    intq_conv2d *c = &p->conv;
    plan_tiles(p);
    const int64_t k = c->seg_k, steps = (k + 63) / 64, firsts = conv_round_up((p->lists + 1) * 4, 64);
    int64_t blocks = 0;
    for (int pass = 0; pass < 2; pass++) {
        const int64_t offsets = conv_round_up(blocks * 4, 64), total = firsts + offsets + blocks * TILE_BLOCK + INTQ_SLACK;
        if (pass && !packed) return total;
        if (pass) memset(packed, 0, (size_t)total);
        int32_t *first = (int32_t *)packed, *offset = pass ? (int32_t *)(packed + firsts) : NULL, count = 0;
        int8_t *block = pass ? (int8_t *)packed + firsts + offsets : NULL;
        for (int64_t i = 0; i < p->lists; i++) {
            if (pass) first[i] = count;
            for (int64_t s = 0; s < steps; s++) {
                int some = 0;
                for (int64_t q = 64 * s; q < conv_min(64 * s + 64, k); q += 4) some |= !is_zero(c, k, 16 * i, 16, q, 4);
                if (!some) continue;
                if (pass) {
                    offset[count] = (int32_t)sp_at(p, 64 * s);
                    for (int64_t j = 0; j < 16 && 16 * i + j < c->oc; j++)
                        for (int64_t q = 64 * s; q < conv_min(64 * s + 64, k); q++)
                            block[count * (int64_t)TILE_BLOCK + (q - 64 * s) / 4 * 64 + 4 * j + q % 4] = c->weights[(16 * i + j) * k + q];
                }
                count++;
            }
        }
        blocks = count;
        if (!pass) continue;
        first[p->lists] = count;
        p->first = first, p->offset = offset, p->blocks = block;
        fold(c, c->x_zero_point);
    }
    return firsts + conv_round_up(blocks * 4, 64) + blocks * TILE_BLOCK + INTQ_SLACK;
}

void intq_spconv2d_b16x64_scalar(const void *params, void *const *io, int64_t begin, int64_t end, uint8_t *scratch) {
    const intq_spconv2d *p = params;
    const intq_conv2d *c = &p->conv;
    int32_t *acc = (int32_t *)scratch;
    int8_t *a = (int8_t *)(acc + p->pixels * SP_TILE);
    intq_requant rq = c->rq;
    rq.bias = NULL;
    for (int64_t unit = begin; unit < end; unit++) {
        const sp_unit u = sp_begin(p, io[0], unit, a, 0);
        for (int64_t tile = 0; tile < c->oc; tile += SP_TILE) {
            const int64_t channels = conv_min(SP_TILE, c->oc - tile);
            for (int64_t at = 0; at < channels; at += 16)
                for (int64_t i = 0; i < u.pixels; i++) {
                    int32_t *sum = acc + i * SP_TILE + at;
                    memcpy(sum, c->rq.bias + tile + at, 64);
                    for (int64_t b = p->first[(tile + at) / 16]; b < p->first[(tile + at) / 16 + 1]; b++)
                        for (int j = 0; j < TILE_BLOCK; j++) sum[j % 64 / 4] += a[i * c->lda + p->offset[b] + j / 64 * 4 + j % 4] * p->blocks[b * TILE_BLOCK + j];
                }
            sp_end(c, &u, tile, channels, acc, &rq, io[1]);
        }
    }
}

int64_t intq_spconv2d_b16x64_scalar_prepare(void *params, uint8_t *packed) { return intq_spconv2d_prepare_tiles(params, packed); }
