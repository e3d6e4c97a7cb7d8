/* The thread pool: created once, its workers spin for a moment between steps and then sleep. */
#ifndef INTQ_POOL_H
#define INTQ_POOL_H
#include <stdint.h>

#include "decl.h"

int64_t intq_threads_count(const intq_threads *t);
/* Runs the units of a step on up to `parts` threads, the caller among them; returns when all are done. */
void intq_threads_run(intq_threads *t, const intq_step *step, int64_t parts, uint8_t *scratch, int64_t scratch_bytes);
#endif
