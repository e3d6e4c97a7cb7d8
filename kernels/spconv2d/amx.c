/* spconv2d with AMX tiles: a block of weights is a tile of 64 of K by 16 channels, multiplied with up to four tiles of 16 pixels; blocks of zeros are
 * not there. */
#include "spconv2d/spconv2d.h"
#include "vec/amx.h"

#define PIXELS(number, into, from)                                              \
    if (count > number) {                                                       \
        _tile_loadd(from, v + row[number] * c->lda, c->lda);                    \
        _tile_dpbssd(into, from, 7);                                            \
    }

/* Tiles of 16 pixels that start at row[0] .. row[count - 1], of one list of 16 channels; constant count at every call. */
INLINE void products(int count, const intq_spconv2d *p, int64_t list, const int8_t *a, const int64_t *row, int32_t *acc) {
    const intq_conv2d *c = &p->conv;
    const int32_t *start = c->rq.bias + 16 * list;
    __asm__ volatile("" ::: "memory"); /* gcc 12's tile loads do not say that they read memory */
    _tile_loadd(0, start, 0); /* stride 0: every row of the tile is the bias */
    if (count > 1) _tile_loadd(1, start, 0);
    if (count > 2) _tile_loadd(2, start, 0);
    if (count > 3) _tile_loadd(3, start, 0);
    const int64_t end = p->first[list + 1];
    for (int64_t b = p->first[list]; b < end; b++) {
        const int8_t *v = a + p->offset[b];
        _tile_loadd(7, p->blocks + 1024 * b, 64);
        PIXELS(0, 0, 4)
        PIXELS(1, 1, 5)
        PIXELS(2, 2, 6)
        PIXELS(3, 3, 4)
    }
    _tile_stored(0, acc + row[0] * SP_TILE, SP_TILE * 4);
    if (count > 1) _tile_stored(1, acc + row[1] * SP_TILE, SP_TILE * 4);
    if (count > 2) _tile_stored(2, acc + row[2] * SP_TILE, SP_TILE * 4);
    if (count > 3) _tile_stored(3, acc + row[3] * SP_TILE, SP_TILE * 4);
}

/* All pixels; the last tiles overlap the ones before instead of a tail. */
INLINE void list_of_channels(const intq_spconv2d *p, int64_t list, const int8_t *a, int64_t pixels, int32_t *acc) {
    for (int64_t i = 0; i < pixels; i += 64) {
        int64_t row[4];
        for (int t = 0; t < 4; t++) row[t] = pixels < 16 ? 0 : conv_min(i + 16 * t, pixels - 16);
        switch (conv_min(4, (pixels - i + 15) / 16)) {
        case 4: products(4, p, list, a, row, acc); break;
        case 3: products(3, p, list, a, row, acc); break;
        case 2: products(2, p, list, a, row, acc); break;
        default: products(1, p, list, a, row, acc);
        }
    }
}

void intq_spconv2d_b16x64_amx(const void *params, void *const *io, int64_t begin, int64_t end, uint8_t *scratch) {
    const intq_spconv2d *p = params;
    const intq_conv2d *c = &p->conv;
    int32_t *acc = (int32_t *)scratch;
    int8_t *a = (int8_t *)(acc + p->pixels * SP_TILE);
    intq_requant rq = c->rq;
    rq.bias = NULL;
    int64_t configured = 0;
    for (int64_t unit = begin; unit < end; unit++) {
        const sp_unit u = sp_begin(p, io[0], unit, a, 0);
        const int64_t rows = conv_min(16, u.pixels);
        if (rows != configured) amx_begin((int)(configured = rows));
        for (int64_t tile = 0; tile < c->oc; tile += SP_TILE) {
            const int64_t channels = conv_min(SP_TILE, c->oc - tile);
            for (int64_t at = 0; at < channels; at += 16) list_of_channels(p, (tile + at) / 16, a, u.pixels, acc + at);
            sp_end(c, &u, tile, channels, acc, &rq, io[1]);
        }
    }
    amx_end();
}

int64_t intq_spconv2d_b16x64_amx_prepare(void *params, uint8_t *packed) { return intq_spconv2d_prepare_tiles(params, packed); }
