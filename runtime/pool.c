/* A pool of worker threads for intq_run.
 *
 * A step's units are cut into one range for each thread, so that a thread finds what it wrote a step before in its own cache. The caller
 * publishes a step by writing a claim for every range: ticket << 32 | first unit that nobody has taken. Whoever moves a claim on owns a
 * slice of units of that very ticket; a thread that is through with its range helps with the others. So a worker that comes late, or
 * never, costs nothing and cannot touch a step that is over. The step is done when `done` has counted all its units. A worker spins for
 * some microseconds before it sleeps, because the next step of a network usually follows at once. */
#define _GNU_SOURCE
#include "pool.h"

#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdlib.h>

enum { SPINS = 20000, SLICES_PER_PART = 4, MIN_SLICE = 16, APART = 128 }; /* APART: bytes between what different threads write */
static const uint64_t UNIT = 0xffffffff; /* the mask of a unit; as a claim: beyond every range */

typedef struct {
    struct intq_pool_s *pool;
    int64_t index;
    pthread_t thread;
    atomic_uint_fast64_t claim; /* of this thread's range */
    char apart[APART];
} worker;

struct intq_pool_s {
    int64_t threads;
    const intq_step *step;
    uint8_t *scratch;
    int64_t scratch_bytes;
    atomic_int_fast64_t parts, units; /* of the current step; read before a claim, valid if the claim succeeds */
    atomic_int quit;
    char apart0[APART]; /* who waits reads the ticket all the time */
    atomic_uint ticket;
    char apart1[APART];
    atomic_int_fast64_t done;
    char apart2[APART];
    atomic_int_fast64_t asleep;
    pthread_mutex_t lock;
    pthread_cond_t wake;
    worker *workers;
};

static inline void pause_cpu(void) {
#if defined(__x86_64__)
    __builtin_ia32_pause();
#elif defined(__aarch64__)
    __asm__ volatile("yield");
#endif
}

int64_t intq_threads_count(const intq_threads *t) { return t ? t->threads : 1; }

/* Takes and runs slices of range `part` until none is left; `index` is the thread's. */
static void take_range(intq_threads *t, int64_t part, int64_t index) {
    atomic_uint_fast64_t *claim = &t->workers[part].claim;
    uint64_t at = atomic_load(claim);
    for (;;) {
        const int64_t begin = (int64_t)(at & UNIT), units = atomic_load(&t->units), parts = atomic_load(&t->parts);
        const int64_t first = units * part / parts, last = units * (part + 1) / parts;
        if (begin >= last) return;
        /* neighbouring units share the preparation of their inputs: small ranges stay whole */
        const int64_t quarter = (last - first + SLICES_PER_PART - 1) / SLICES_PER_PART, slice = quarter > MIN_SLICE ? quarter : MIN_SLICE;
        const int64_t end = begin + slice < last ? begin + slice : last;
        if (!atomic_compare_exchange_weak(claim, &at, (at & ~UNIT) | (uint64_t)end)) continue;
        const intq_step *s = t->step; /* cannot change before these units are counted as done */
        s->fn(s->params, s->io, begin, end, t->scratch + index * t->scratch_bytes);
        atomic_fetch_add_explicit(&t->done, end - begin, memory_order_release);
        at = atomic_load(claim);
    }
}
static void take_slices(intq_threads *t, int64_t index, int64_t parts) {
    for (int64_t i = 0; i < parts; i++) take_range(t, (index + i) % parts, index);
}

/* Waits until the ticket differs from `seen`; returns the new one. */
static uint32_t wait_for_ticket(intq_threads *t, uint32_t seen) {
    for (int i = 0; i < SPINS; i++) {
        const uint32_t now = atomic_load_explicit(&t->ticket, memory_order_acquire);
        if (now != seen) return now;
        pause_cpu();
    }
    pthread_mutex_lock(&t->lock);
    atomic_fetch_add(&t->asleep, 1);
    uint32_t now;
    while ((now = atomic_load(&t->ticket)) == seen) pthread_cond_wait(&t->wake, &t->lock);
    atomic_fetch_sub(&t->asleep, 1);
    pthread_mutex_unlock(&t->lock);
    return now;
}

static void *work(void *arg) {
    worker *w = arg;
    intq_threads *t = w->pool;
    uint32_t seen = 0;
    for (;;) {
        seen = wait_for_ticket(t, seen);
        if (atomic_load(&t->quit)) return NULL;
        const int64_t parts = atomic_load(&t->parts);
        if (w->index < parts) take_slices(t, w->index, parts);
    }
}

/* Shows a new ticket, and wakes who sleeps. */
static void publish(intq_threads *t, uint32_t ticket) {
    atomic_store(&t->ticket, ticket);
    if (atomic_load(&t->asleep) > 0) { /* sequentially consistent with the sleeper's increment before its last look at the ticket */
        pthread_mutex_lock(&t->lock);
        pthread_cond_broadcast(&t->wake);
        pthread_mutex_unlock(&t->lock);
    }
}

void intq_threads_run(intq_threads *t, const intq_step *step, int64_t parts, uint8_t *scratch, int64_t scratch_bytes) {
    const uint32_t ticket = atomic_load(&t->ticket) + 1;
    for (int64_t i = 0; i < t->threads; i++) atomic_store(&t->workers[i].claim, UNIT); /* nothing to take while the fields change */
    t->step = step;
    t->scratch = scratch;
    t->scratch_bytes = scratch_bytes;
    atomic_store(&t->units, step->units);
    atomic_store(&t->parts, parts);
    atomic_store(&t->done, 0);
    for (int64_t i = 0; i < parts; i++) atomic_store(&t->workers[i].claim, (uint64_t)ticket << 32 | (uint64_t)(step->units * i / parts));
    publish(t, ticket);
    take_slices(t, 0, parts);
    for (int i = 0; atomic_load_explicit(&t->done, memory_order_acquire) < step->units; i++) {
        if (i < SPINS)
            pause_cpu();
        else
            sched_yield();
    }
}

intq_threads *intq_threads_new(int32_t threads) {
    intq_threads *t = calloc(1, sizeof *t);
    if (!t) return NULL;
    t->workers = calloc((size_t)threads, sizeof *t->workers);
    if (!t->workers) {
        free(t);
        return NULL;
    }
    pthread_mutex_init(&t->lock, NULL);
    pthread_cond_init(&t->wake, NULL);
    t->threads = 1;
    atomic_store(&t->parts, 1);
    for (int32_t i = 1; i < threads; i++) {
        worker *w = t->workers + i;
        w->pool = t;
        w->index = i;
        if (pthread_create(&w->thread, NULL, work, w)) break; /* fewer threads than asked for: slower, never wrong */
        t->threads++;
    }
    return t;
}

void intq_threads_free(intq_threads *t) {
    if (!t) return;
    for (int64_t i = 0; i < t->threads; i++) atomic_store(&t->workers[i].claim, UNIT);
    atomic_store(&t->quit, 1);
    publish(t, atomic_load(&t->ticket) + 1);
    for (int64_t i = 1; i < t->threads; i++) pthread_join(t->workers[i].thread, NULL);
    pthread_cond_destroy(&t->wake);
    pthread_mutex_destroy(&t->lock);
    free(t->workers);
    free(t);
}
