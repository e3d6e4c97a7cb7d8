/* Runs plans that tests/plan_c.py wrote as C, with the rows of the kernel table for one instruction set: on machines without Python. */
#ifndef RUNNER_H
#define RUNNER_H
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "kernels.h"

#ifndef POOL_BYTES
#define POOL_BYTES (64 << 20)
#endif
static int64_t pool[POOL_BYTES / 8], scratch_memory[1 << 16];
static int64_t pool_used;
static const char *cap = "scalar";

static uint8_t *take(int64_t bytes) {
    uint8_t *at = (uint8_t *)pool + pool_used;
    pool_used += (bytes + 128 + 63) / 64 * 64;
    if (pool_used > (int64_t)sizeof pool) puts("the pool is too small");
    return at;
}

/* Whether `isa` is `cap` or implied by it, and the machine has it. */
static int allowed(const char *isa) {
    const intq_isa *isas;
    const int32_t n = intq_isas(&isas);
    for (const char *at = cap; *at;) {
        const char *next = "";
        for (int32_t i = 0; i < n; i++)
            if (!strcmp(isas[i].name, at)) {
                if (!strcmp(at, isa)) return isas[i].available;
                next = isas[i].implies;
            }
        at = next;
    }
    return 0;
}

static const intq_row *pick(const char *op, const char *variant, int32_t without_flags) {
    const intq_row *rows;
    const int32_t n = intq_rows(&rows);
    for (int32_t i = 0; i < n; i++)
        if (!strcmp(rows[i].op, op) && (!*variant || !strcmp(rows[i].variant, variant)) && !(rows[i].flags & without_flags) && allowed(rows[i].isa))
            return &rows[i];
    puts("no row for:");
    puts(op);
    return NULL;
}

static void bind_gemm(intq_conv2d *p, int32_t without_flags) {
    const intq_row *row = pick("gemm", "", without_flags);
    p->gemm = (intq_gemm_fn *)row->fn;
    p->nr = row->nr, p->kr = row->kr, p->ku = row->ku, p->flags = row->flags;
}

static void prepare(const intq_row *row, void *params) { row->prepare(params, take(row->prepare(params, NULL))); }

static void run_step(const intq_row *row, const void *params, void *const *io, int64_t units) {
    ((intq_kernel_fn *)row->fn)(params, io, 0, units, (uint8_t *)(((uintptr_t)scratch_memory + 63) / 64 * 64));
}
#endif
