/* The clocks, for OCaml. */
#include <time.h>

#include <caml/mlvalues.h>

/* Nanoseconds by a clock of the system. */
intnat peers_nanos(intnat clock) {
    struct timespec time;
    clock_gettime((clockid_t)clock, &time);
    return (intnat)time.tv_sec * 1000000000 + (intnat)time.tv_nsec;
}

value peers_nanos_boxed(value clock) { return Val_long(peers_nanos(Long_val(clock))); }
