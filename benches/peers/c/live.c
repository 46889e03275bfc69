/* Half a gigabyte of live objects: latency beside it, and a forced collection of it (Boehm). */
#include "peers.h"

typedef struct Tree {
    struct Tree *left, *right;
    uint64_t value, more;
} Tree;

static Tree *tree_make(unsigned depth) {
    Tree *left = depth > 1 ? tree_make(depth - 1) : NULL;
    Tree *right = depth > 1 ? tree_make(depth - 1) : NULL;
    Tree *tree = make(sizeof *tree);
    *tree = (Tree){left, right, depth, 1};
    return tree;
}

typedef struct Node {
    struct Node *next;
    uint64_t value, more[2];
} Node;

static Node *list_make(uint64_t batch) {
    Node *head = NULL;
    for (uint64_t i = 0; i < 1000; i++) {
        Node *node = make(sizeof *node);
        *node = (Node){head, batch + i, {i, 0}};
        head = node;
    }
    return head;
}

static void list_drop(Node *head) {
#ifndef BOEHM
    while (head) {
        Node *next = head->next;
        drop(head);
        head = next;
    }
#else
    (void)head;
#endif
}

static int compare(const void *a, const void *b) {
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return x < y ? -1 : x > y;
}

static void print_laps(const char *clock, uint64_t *laps, uint64_t count) {
    qsort(laps, count, sizeof *laps, compare);
    printf("%s_p50_us %.2f\n", clock, (double)laps[(count - 1) / 2] / 1e3);
    printf("%s_p999_us %.2f\n", clock, (double)laps[(uint64_t)((double)(count - 1) * 0.999)] / 1e3);
    printf("%s_max_us %.2f\n", clock, (double)laps[count - 1] / 1e3);
}

uint64_t latency(unsigned depth, uint64_t batches) {
    enum { WINDOW = 64 };
    static Tree *tree;
    static Node *window[WINDOW];
    tree = tree_make(depth);
    uint64_t *cpu = make_data(batches * sizeof *cpu), *wall = make_data(batches * sizeof *wall);
    memset(cpu, 0, batches * sizeof *cpu);
    memset(wall, 0, batches * sizeof *wall);
    uint64_t sum = 0;
    uint64_t cpu_last = nanos(CLOCK_THREAD_CPUTIME_ID), wall_last = nanos(CLOCK_MONOTONIC);
    for (uint64_t batch = 0; batch < batches; batch++) {
        Node *head = list_make(batch);
        sum += head->value + head->more[0];
        list_drop(window[batch % WINDOW]);
        window[batch % WINDOW] = head;
        uint64_t cpu_now = nanos(CLOCK_THREAD_CPUTIME_ID), wall_now = nanos(CLOCK_MONOTONIC);
        cpu[batch] = cpu_now - cpu_last;
        wall[batch] = wall_now - wall_last;
        cpu_last = cpu_now;
        wall_last = wall_now;
    }
    print_laps("cpu", cpu, batches);
    print_laps("wall", wall, batches);
    return sum + tree->value;
}

#ifdef BOEHM
static void time_collections(uint64_t objects) {
    uint64_t cpu, wall;
    GC_gcollect();
    cpu = nanos(CLOCK_PROCESS_CPUTIME_ID);
    wall = nanos(CLOCK_MONOTONIC);
    for (int i = 0; i < 5; i++) GC_gcollect();
    cpu = (nanos(CLOCK_PROCESS_CPUTIME_ID) - cpu) / 5;
    wall = (nanos(CLOCK_MONOTONIC) - wall) / 5;
    printf("collect_wall_ms %.1f\n", (double)wall / 1e6);
    printf("collect_cpu_ms %.1f\n", (double)cpu / 1e6);
    printf("mark_mobjects_per_s %.1f\n", (double)objects * 1e3 / (double)cpu);
}

static Tree *root;

uint64_t mark_ordered(unsigned depth) {
    root = tree_make(depth);
    time_collections(((uint64_t)1 << depth) - 1);
    return root->value + root->more;
}

uint64_t mark_shuffled(unsigned depth) {
    uint64_t count = ((uint64_t)1 << depth) - 1, random = RANDOM_SEED;
    Tree **nodes = GC_MALLOC_UNCOLLECTABLE(count * sizeof *nodes);
    uint32_t *order = malloc(count * sizeof *order);
    for (uint64_t i = 0; i < count; i++) {
        nodes[i] = make(sizeof **nodes);
        *nodes[i] = (Tree){NULL, NULL, i, 1};
        order[i] = (uint32_t)i;
    }
    for (uint64_t i = count - 1; i > 0; i--) {
        uint64_t j = random_below(&random, i + 1);
        uint32_t place = order[i];
        order[i] = order[j];
        order[j] = place;
    }
    for (uint64_t i = 0; i < count; i++) {
        Tree *node = nodes[order[i]];
        node->left = 2 * i + 1 < count ? nodes[order[2 * i + 1]] : NULL;
        node->right = 2 * i + 2 < count ? nodes[order[2 * i + 2]] : NULL;
    }
    root = nodes[order[0]];
    GC_FREE(nodes);
    free(order);
    time_collections(count);
    return root->value + root->more;
}
#endif
