/* What the C programs share. */
#ifndef PEERS_H
#define PEERS_H

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

/* With Boehm's collector nothing is freed by hand. */
#ifdef BOEHM
#define GC_THREADS
#include <gc.h>
#define make(size) GC_MALLOC(size)
#define make_data(size) GC_MALLOC_ATOMIC(size)
#define drop(pointer) ((void)(pointer))
#else
#define make(size) malloc(size)
#define make_data(size) malloc(size)
#define drop(pointer) free(pointer)
#endif

static inline uint64_t random_next(uint64_t *state) {
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    return *state;
}

#define RANDOM_SEED 0x9e3779b97f4a7c15u

static inline uint64_t random_below(uint64_t *state, uint64_t limit) {
    return ((random_next(state) >> 32) * limit) >> 32;
}

static inline uint64_t mix(uint64_t checksum, uint64_t value) {
    return ((checksum << 5 | checksum >> 59) ^ value) * 0x100000001b3u;
}

static inline uint64_t nanos(clockid_t clock) {
    struct timespec time;
    clock_gettime(clock, &time);
    return (uint64_t)time.tv_sec * 1000000000u + (uint64_t)time.tv_nsec;
}

uint64_t binary_trees(unsigned max);
uint64_t gcbench(unsigned max);
uint64_t threads(unsigned max, uint64_t threads);
uint64_t churn(uint64_t live, uint64_t operations);
uint64_t graph(uint64_t nodes, uint64_t stores);
uint64_t rings(uint64_t rings, uint64_t length);
uint64_t traversal(unsigned depth, uint64_t rounds);
uint64_t latency(unsigned depth, uint64_t batches);
uint64_t mark_ordered(unsigned depth);
uint64_t mark_shuffled(unsigned depth);
uint64_t tables(uint64_t entries, uint64_t rounds);
uint64_t strings(uint64_t live, uint64_t operations);
uint64_t arrays(uint64_t length, uint64_t stores);

#endif
