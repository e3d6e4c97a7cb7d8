/* Peak of AMX int8: six accumulator tiles, so that none is waited for; no loads. */
#include <immintrin.h>
#include <string.h>

#include "peak/peak.h"

typedef struct {
    uint8_t palette, start_row, reserved[14];
    uint16_t column_bytes[16];
    uint8_t rows[16];
} tile_config;

void intq_peak_amx_amx(const void *params, void *const *io, int64_t begin, int64_t end, uint8_t *scratch) {
    (void)params, (void)io;
    tile_config config, before; /* a kernel may count on the configuration that this thread has */
    __asm__ volatile("sttilecfg %0" : "=m"(before));
    memset(&config, 0, sizeof config);
    config.palette = 1;
    for (int i = 0; i < 8; i++) config.column_bytes[i] = 64, config.rows[i] = 16;
    uint8_t ones[1024];
    memset(ones, 1, sizeof ones);
    /* gcc 12 believes that _tile_loadconfig reads 8 bytes and drops the other stores; this says that it reads memory. */
    __asm__ volatile("ldtilecfg %0" ::"m"(config) : "memory");
    _tile_zero(0);
    _tile_zero(1);
    _tile_zero(2);
    _tile_zero(3);
    _tile_zero(4);
    _tile_zero(5);
    __asm__ volatile("" ::: "memory");
    _tile_loadd(6, ones, 64);
    _tile_loadd(7, ones, 64);
    for (int64_t r = begin * PEAK_LOOP; r < end * PEAK_LOOP; r++) {
        _tile_dpbssd(0, 6, 7);
        _tile_dpbssd(1, 6, 7);
        _tile_dpbssd(2, 6, 7);
        _tile_dpbssd(3, 6, 7);
        _tile_dpbssd(4, 6, 7);
        _tile_dpbssd(5, 6, 7);
    }
    __asm__ volatile("ldtilecfg %0" ::"m"(before) : "memory");
    peak_report(scratch, (end - begin) * PEAK_LOOP * 6 * 16 * 16 * 64 * 2);
}
