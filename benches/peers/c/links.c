/* Queue churn, graph rewiring, rings, traversal. */
#include "peers.h"

typedef struct Item {
    uint64_t value;
    struct Item *next;
} Item;

static Item *item_make(uint64_t value) {
    Item *item = make(sizeof *item);
    *item = (Item){value, NULL};
    return item;
}

uint64_t churn(uint64_t live, uint64_t operations) {
    Item *oldest = item_make(0), *newest = oldest;
    uint64_t sum = 0;
    for (uint64_t value = 1; value < live + operations; value++) {
        newest->next = item_make(value);
        newest = newest->next;
        if (value >= live) {
            Item *old = oldest;
            sum += old->value;
            oldest = old->next;
            drop(old);
        }
    }
    while (oldest) {
        Item *old = oldest;
        oldest = old->next;
        drop(old);
    }
    return sum;
}

/* Freed by hand, a node of the graph needs a count of the pointers to it; cycles of replaced nodes leak. */
typedef struct Vertex {
    uint64_t id;
    struct Vertex *edges[4];
#ifndef BOEHM
    uint64_t count;
#endif
} Vertex;

static Vertex *vertex_make(uint64_t id) {
    Vertex *vertex = make(sizeof *vertex);
    memset(vertex, 0, sizeof *vertex);
    vertex->id = id;
    return vertex;
}

static void vertex_store(Vertex **place, Vertex *vertex) {
#ifdef BOEHM
    *place = vertex;
#else
    Vertex *old = *place;
    if (vertex) vertex->count++;
    *place = vertex;
    if (old && --old->count == 0) {
        for (int i = 0; i < 4; i++) vertex_store(&old->edges[i], NULL);
        drop(old);
    }
#endif
}

uint64_t graph(uint64_t nodes, uint64_t stores) {
    Vertex **table = make(nodes * sizeof *table);
    memset(table, 0, nodes * sizeof *table);
    for (uint64_t id = 0; id < nodes; id++) vertex_store(&table[id], vertex_make(id));
    uint64_t random = RANDOM_SEED;
    for (uint64_t done = 0; done < stores; done++) {
        Vertex **from = &table[random_below(&random, nodes)];
        if (done % 10 == 9) {
            Vertex *old = *from, *new = vertex_make(old->id + nodes);
            for (int i = 0; i < 4; i++) vertex_store(&new->edges[i], old->edges[i]);
            vertex_store(from, new);
        } else {
            Vertex *to = table[random_below(&random, nodes)];
            vertex_store(&(*from)->edges[done & 3], to);
        }
    }
    uint64_t checksum = 0;
    for (uint64_t i = 0; i < nodes; i++) {
        uint64_t sum = table[i]->id;
        for (int edge = 0; edge < 4; edge++)
            if (table[i]->edges[edge]) sum += table[i]->edges[edge]->id;
        checksum = mix(checksum, sum);
    }
    return checksum;
}

typedef struct Bead {
    uint64_t value;
    struct Bead *next, *previous;
} Bead;

static Bead *bead_make(uint64_t value, Bead *previous) {
    Bead *bead = make(sizeof *bead);
    *bead = (Bead){value, NULL, previous};
    return bead;
}

static Bead *ring_make(uint64_t length, uint64_t value) {
    Bead *first = bead_make(value, NULL), *last = first;
    for (uint64_t i = 1; i < length; i++) {
        last->next = bead_make(value + i, last);
        last = last->next;
    }
    last->next = first;
    first->previous = last;
    return first;
}

static uint64_t ring_walk(const Bead *first) {
    uint64_t sum = 0;
    const Bead *bead = first;
    do {
        sum += bead->value;
        bead = bead->next;
    } while (bead != first);
    return sum;
}

static void ring_drop(Bead *first) {
#ifndef BOEHM
    Bead *bead = first->next;
    while (bead != first) {
        Bead *next = bead->next;
        drop(bead);
        bead = next;
    }
    drop(first);
#else
    (void)first;
#endif
}

uint64_t rings(uint64_t rings, uint64_t length) {
    uint64_t sum = 0;
    for (uint64_t done = 0; done < rings; done++) {
        Bead *ring = ring_make(length, done);
        sum += ring_walk(ring);
        ring_drop(ring);
    }
    return sum;
}

typedef struct Tree {
    struct Tree *left, *right;
    uint64_t value, depth;
} Tree;

static Tree *tree_make(unsigned depth, uint64_t *next) {
    Tree *left = depth ? tree_make(depth - 1, next) : NULL;
    Tree *right = depth ? tree_make(depth - 1, next) : NULL;
    Tree *tree = make(sizeof *tree);
    *tree = (Tree){left, right, (*next)++, depth};
    return tree;
}

static uint64_t tree_sum(const Tree *tree) {
    uint64_t left = tree->left ? tree_sum(tree->left) : 0;
    uint64_t right = tree->right ? tree_sum(tree->right) : 0;
    return (tree->value ^ tree->depth) + left + right;
}

uint64_t traversal(unsigned depth, uint64_t rounds) {
    uint64_t next = 0, checksum = 0;
    Tree *tree = tree_make(depth, &next);
    for (uint64_t round = 0; round < rounds; round++)
        checksum = (checksum << 1 | checksum >> 63) + tree_sum(tree);
    return checksum;
}
