/* binary-trees, GCBench, and binary-trees on two threads. */
#include "peers.h"

#include <pthread.h>

typedef struct Tree {
    struct Tree *left, *right;
} Tree;

static Tree *tree_make(unsigned depth) {
    Tree *left = depth ? tree_make(depth - 1) : NULL;
    Tree *right = depth ? tree_make(depth - 1) : NULL;
    Tree *tree = make(sizeof *tree);
    tree->left = left;
    tree->right = right;
    return tree;
}

static uint64_t tree_count(const Tree *tree) {
    return tree ? 1 + tree_count(tree->left) + tree_count(tree->right) : 0;
}

static void tree_drop(Tree *tree) {
#ifndef BOEHM
    if (!tree) return;
    tree_drop(tree->left);
    tree_drop(tree->right);
    drop(tree);
#else
    (void)tree;
#endif
}

uint64_t binary_trees(unsigned max) {
    Tree *stretch = tree_make(max + 1);
    uint64_t checksum = tree_count(stretch);
    tree_drop(stretch);
    Tree *long_lived = tree_make(max);
    for (unsigned depth = 4; depth <= max; depth += 2) {
        uint64_t trees = (uint64_t)1 << (max - depth + 4), sum = 0;
        for (uint64_t i = 0; i < trees; i++) {
            Tree *tree = tree_make(depth);
            sum += tree_count(tree);
            tree_drop(tree);
        }
        checksum = mix(checksum, sum);
    }
    checksum = mix(checksum, tree_count(long_lived));
    tree_drop(long_lived);
    return checksum;
}

typedef struct {
    unsigned max;
    uint64_t checksum;
} Job;

static void *run_job(void *argument) {
    Job *job = argument;
    job->checksum = binary_trees(job->max);
    return NULL;
}

uint64_t threads(unsigned max, uint64_t count) {
    enum { MOST = 64 };
    pthread_t workers[MOST];
    Job jobs[MOST];
    uint64_t checksum = 0;
    if (count > MOST) exit(2);
    for (uint64_t i = 0; i < count; i++) {
        jobs[i] = (Job){max, 0};
        if (pthread_create(&workers[i], NULL, run_job, &jobs[i])) exit(1);
    }
    for (uint64_t i = 0; i < count; i++) {
        pthread_join(workers[i], NULL);
        checksum = mix(checksum, jobs[i].checksum);
    }
    return checksum;
}

typedef struct Node {
    struct Node *left, *right;
    uint64_t i, j;
} Node;

static Node *node_make(Node *left, Node *right) {
    Node *node = make(sizeof *node);
    *node = (Node){left, right, 0, 0};
    return node;
}

static void node_populate(Node *node, unsigned depth) {
    if (!depth) return;
    node->left = node_make(NULL, NULL);
    node->right = node_make(NULL, NULL);
    node_populate(node->left, depth - 1);
    node_populate(node->right, depth - 1);
}

static Node *node_bottom_up(unsigned depth) {
    if (!depth) return node_make(NULL, NULL);
    Node *left = node_bottom_up(depth - 1), *right = node_bottom_up(depth - 1);
    return node_make(left, right);
}

static uint64_t node_count(const Node *node) {
    return node ? 1 + node->i + node->j + node_count(node->left) + node_count(node->right) : 0;
}

static void node_drop(Node *node) {
#ifndef BOEHM
    if (!node) return;
    node_drop(node->left);
    node_drop(node->right);
    drop(node);
#else
    (void)node;
#endif
}

static uint64_t node_use(Node *top) {
    uint64_t result = (top->left ? top->left->i : 0) + 1;
    node_drop(top);
    return result;
}

uint64_t gcbench(unsigned max) {
    enum { LENGTH = 500000 };
    node_drop(node_bottom_up(max + 2));
    Node *long_lived = node_make(NULL, NULL);
    node_populate(long_lived, max);
    double *array = make_data(LENGTH * sizeof *array);
    for (int i = 0; i < LENGTH; i++) array[i] = 1.0 / (i + 1);
    uint64_t checksum = 0;
    for (unsigned depth = 4; depth <= max; depth += 2) {
        uint64_t trees = (uint64_t)1 << (max - depth + 4), sum = 0;
        for (uint64_t i = 0; i < trees / 2; i++) {
            Node *top = node_make(NULL, NULL);
            node_populate(top, depth);
            sum += node_use(top);
        }
        for (uint64_t i = 0; i < trees / 2; i++) sum += node_use(node_bottom_up(depth));
        checksum = mix(checksum, sum);
    }
    checksum = mix(checksum, node_count(long_lived) + (uint64_t)(array[1000] * 1e9));
    node_drop(long_lived);
    drop(array);
    return checksum;
}
