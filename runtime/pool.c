/* A pool of worker threads for intq_run.
 *
 * The caller publishes a step and raises `ticket`; workers see it, take slices of the units from an atomic counter, and count down
 * `busy`. A worker spins for some microseconds before it sleeps, because the next step of a network usually follows at once. */
#define _GNU_SOURCE
#include "pool.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>

enum { SPINS = 20000, SLICES_PER_PART = 4 };

typedef struct {
    struct intq_pool_s *pool;
    int64_t index;
    pthread_t thread;
} worker;

struct intq_pool_s {
    int64_t threads;
    const intq_step *step;
    uint8_t *scratch;
    int64_t scratch_bytes, slice, parts;
    atomic_int_fast64_t next;    /* first unit that nobody has taken */
    atomic_int_fast64_t ticket;  /* number of the current step; negative: quit */
    atomic_int_fast64_t busy;    /* workers that have not finished the current step */
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

static void take_slices(intq_threads *t, int64_t index) {
    const intq_step *s = t->step;
    for (;;) {
        const int64_t begin = atomic_fetch_add(&t->next, t->slice);
        if (begin >= s->units) return;
        const int64_t end = begin + t->slice < s->units ? begin + t->slice : s->units;
        s->fn(s->params, s->io, begin, end, t->scratch + index * t->scratch_bytes);
    }
}

static int64_t wait_for_ticket(intq_threads *t, int64_t seen) {
    for (int i = 0; i < SPINS; i++) {
        const int64_t now = atomic_load_explicit(&t->ticket, memory_order_acquire);
        if (now != seen) return now;
        pause_cpu();
    }
    pthread_mutex_lock(&t->lock);
    atomic_fetch_add(&t->asleep, 1);
    int64_t now;
    while ((now = atomic_load(&t->ticket)) == seen) pthread_cond_wait(&t->wake, &t->lock);
    atomic_fetch_sub(&t->asleep, 1);
    pthread_mutex_unlock(&t->lock);
    return now;
}

static void *work(void *arg) {
    worker *w = arg;
    intq_threads *t = w->pool;
    int64_t seen = 0;
    for (;;) {
        seen = wait_for_ticket(t, seen);
        if (seen < 0) return NULL;
        if (w->index < t->parts) take_slices(t, w->index);
        atomic_fetch_sub_explicit(&t->busy, 1, memory_order_release);
    }
}

static void publish(intq_threads *t, int64_t ticket) {
    atomic_store(&t->ticket, ticket);
    if (atomic_load(&t->asleep) > 0) { /* sequentially consistent with the sleeper's increment before its last look at the ticket */
        pthread_mutex_lock(&t->lock);
        pthread_cond_broadcast(&t->wake);
        pthread_mutex_unlock(&t->lock);
    }
}

void intq_threads_run(intq_threads *t, const intq_step *step, int64_t parts, uint8_t *scratch, int64_t scratch_bytes) {
    t->step = step;
    t->scratch = scratch;
    t->scratch_bytes = scratch_bytes;
    t->parts = parts;
    t->slice = (step->units + parts * SLICES_PER_PART - 1) / (parts * SLICES_PER_PART);
    atomic_store(&t->next, 0);
    atomic_store(&t->busy, t->threads - 1);
    publish(t, atomic_load(&t->ticket) + 1);
    take_slices(t, 0);
    for (int i = 0; atomic_load_explicit(&t->busy, memory_order_acquire) > 0; i++) {
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
    publish(t, -1);
    for (int64_t i = 1; i < t->threads; i++) pthread_join(t->workers[i].thread, NULL);
    pthread_cond_destroy(&t->wake);
    pthread_mutex_destroy(&t->lock);
    free(t->workers);
    free(t);
}
