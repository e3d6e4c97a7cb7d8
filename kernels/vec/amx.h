/* AMX tiles: configuration, and the product of 32 rows by 32 columns that gemm and conv2d share. */
#ifndef INTQ_VEC_AMX_H
#define INTQ_VEC_AMX_H
#ifndef __AMX_INT8__
#error "compile with the flags of amx in isa.def"
#endif
#include "vec/avx512vnni.h"

typedef struct {
    uint8_t palette, start_row, reserved[14];
    uint16_t column_bytes[16];
    uint8_t rows[16];
} __attribute__((packed)) amx_config;

/* Accumulators in tiles 0..3, left operands in 4 and 5 (16 rows, or fewer), right operands in 6 and 7.
 * The inline assembly has a memory operand of the whole structure: gcc 12's _tile_loadconfig names only 8 bytes of it. */
INLINE void amx_begin(int rows) {
    amx_config c = {.palette = 1};
    for (int i = 0; i < 8; i++) {
        c.column_bytes[i] = 64;
        c.rows[i] = (uint8_t)(i < 6 ? rows : 16);
    }
    __asm__ volatile("ldtilecfg %0" ::"m"(c) : "memory");
}
INLINE void amx_end(void) { _tile_release(); }

/* Rows i0.. and i1.. (16 of each; `pairs` 1: only i0) by 16 * halves columns; constants at every call but i0, i1. Writes acc[i * 32 + j]. */
INLINE void amx_block(int pairs, int halves, int64_t i0, int64_t i1, int64_t segs, int64_t k, const int8_t *a, int64_t lda,
                      const int64_t *seg_offset, const int8_t *b, const int32_t *init, int32_t *acc) {
    __asm__ volatile("" ::: "memory"); /* gcc 12's tile loads do not say that they read memory */
    if (init) { /* stride 0: every row of the tile starts as init */
        _tile_loadd(0, init, 0);
        if (halves > 1) _tile_loadd(1, init + 16, 0);
        if (pairs > 1) _tile_loadd(2, init, 0);
        if (pairs > 1 && halves > 1) _tile_loadd(3, init + 16, 0);
    } else {
        _tile_zero(0);
        _tile_zero(1);
        _tile_zero(2);
        _tile_zero(3);
    }
    for (int64_t s = 0; s < segs; s++) {
        const int8_t *p0 = a + i0 * lda + seg_offset[s], *p1 = a + i1 * lda + seg_offset[s];
        for (int64_t q = 0; q < k; q += 64, b += 2048) {
            _tile_loadd(4, p0 + q, lda);
            _tile_loadd(6, b, 128);
            _tile_dpbssd(0, 4, 6);
            if (halves > 1) {
                _tile_loadd(7, b + 64, 128);
                _tile_dpbssd(1, 4, 7);
            }
            if (pairs > 1) {
                _tile_loadd(5, p1 + q, lda);
                _tile_dpbssd(2, 5, 6);
                if (halves > 1) _tile_dpbssd(3, 5, 7);
            }
        }
    }
    _tile_stored(0, acc + 32 * i0, 128);
    if (halves > 1) _tile_stored(1, acc + 32 * i0 + 16, 128);
    if (pairs > 1) _tile_stored(2, acc + 32 * i1, 128);
    if (pairs > 1 && halves > 1) _tile_stored(3, acc + 32 * i1 + 16, 128);
}

/* 16 <= m: the last tiles overlap the ones before instead of a tail. */
INLINE void amx_rows(int halves, int64_t m, int64_t segs, int64_t k, const int8_t *a, int64_t lda, const int64_t *seg_offset, const int8_t *b,
                     const int32_t *init, int32_t *acc) {
    int64_t i = 0;
    for (; i + 16 < m; i += 32) {
        const int64_t i1 = i + 32 <= m ? i + 16 : m - 16;
        amx_block(2, halves, i, i1, segs, k, a, lda, seg_offset, b, init, acc);
    }
    if (i < m) amx_block(1, halves, m - 16, 0, segs, k, a, lda, seg_offset, b, init, acc);
}

/* gemm for tiles that are configured for 16 rows, and are so again afterwards. */
INLINE void amx_gemm(int64_t m, int64_t n, int64_t segs, int64_t k, const int8_t *a, int64_t lda, const int64_t *seg_offset, const int8_t *b,
                     const int32_t *init, int32_t *acc) {
    if (m < 16) {
        amx_begin((int)m);
        amx_block(1, 2, 0, 0, segs, k, a, lda, seg_offset, b, init, acc);
        amx_begin(16);
    } else if (n > 16)
        amx_rows(2, m, segs, k, a, lda, seg_offset, b, init, acc);
    else
        amx_rows(1, m, segs, k, a, lda, seg_offset, b, init, acc);
}
#endif
