/* The workloads in C: freeing by hand, or with Boehm's collector (-DBOEHM). */
#include "peers.h"

static uint64_t size(char **sizes, int index) { return strtoull(sizes[index], NULL, 10); }

static void print_peak(void) {
    char line[256];
    FILE *status = fopen("/proc/self/status", "r");
    while (status && fgets(line, sizeof line, status))
        if (!strncmp(line, "VmHWM:", 6)) printf("peak_rss_kib %llu\n", strtoull(line + 6, NULL, 10));
    if (status) fclose(status);
}

int main(int count, char **arguments) {
    if (count < 3) return 2;
#ifdef BOEHM
    GC_INIT();
    GC_allow_register_threads();
#endif
    const char *name = arguments[1];
    char *sizes[3] = {arguments[2], count > 3 ? arguments[3] : "0", count > 4 ? arguments[4] : "0"};
    uint64_t a = size(sizes, 0), b = size(sizes, 1), checksum;
    if (!strcmp(name, "binary-trees")) checksum = binary_trees((unsigned)a);
    else if (!strcmp(name, "gcbench")) checksum = gcbench((unsigned)a);
    else if (!strcmp(name, "threads")) checksum = threads((unsigned)a, b);
    else if (!strcmp(name, "churn")) checksum = churn(a, b);
    else if (!strcmp(name, "graph")) checksum = graph(a, b);
    else if (!strcmp(name, "rings")) checksum = rings(a, b);
    else if (!strcmp(name, "traversal")) checksum = traversal((unsigned)a, b);
    else if (!strcmp(name, "latency")) checksum = latency((unsigned)a, b);
#ifdef BOEHM
    else if (!strcmp(name, "mark-ordered")) checksum = mark_ordered((unsigned)a);
    else if (!strcmp(name, "mark-shuffled")) checksum = mark_shuffled((unsigned)a);
#endif
    else if (!strcmp(name, "tables")) checksum = tables(a, b);
    else if (!strcmp(name, "strings")) checksum = strings(a, b);
    else if (!strcmp(name, "arrays")) checksum = arrays(a, b);
    else return 3;
    printf("checksum %llu\n", (unsigned long long)checksum);
    print_peak();
#ifdef BOEHM
    printf("cycles %lu\n", (unsigned long)GC_get_gc_no());
#endif
    return 0;
}
