#!/usr/bin/env bash
# Rare interleavings made common: cycles at every few allocations, delayed handshakes, one-entry buffers, and the
# verifier, which marks again after each cycle and compares, and looks at freed slots before they are reused.
#
#   ci/stress.sh                  all but the soak: about twenty minutes
#   ci/stress.sh model [MINUTES]  new programs of the model test (default 10)
#   ci/stress.sh racing [MINUTES] new programs that race (default 3)
#   ci/stress.sh soak [MINUTES]   several mutators, all barriers in turn, a line of figures each minute (default 60)

source "$(dirname "${BASH_SOURCE[0]}")/common.sh"

export CARGO_TARGET_DIR
CARGO_TARGET_DIR=$(target_dir '')

if [[ ${1-} == soak ]]; then
    step "soak, ${2-60} minutes" cargo run --release --example soak -- "${2-60}"
    exit 0
fi

# New programs each time; the seeds of a failing one are printed.
model() {
    local end=$((SECONDS + $1 * 60)) rounds=0
    while ((SECONDS < end)); do
        TRICOLOR_MODEL_CASES=300 timeout 900 cargo test -q --release --features verify --test model >"$log" 2>&1 || {
            cat "$log" >&2
            return 1
        }
        rounds=$((rounds + 1))
    done
    echo "   $rounds rounds of 24 kinds of heaps and 300 programs each"
}
log=$(mktemp)

if [[ ${1-} == model ]]; then
    step "model test, ${2-10} minutes" model "${2-10}"
    exit 0
fi

# New programs whose threads race; the last one printed is that which fails.
racing() {
    TRICOLOR_RANDOM_SECONDS=$(($1 * 60)) timeout $(($1 * 60 + 300)) \
        cargo test -q --release --features verify --test random_programs -- --nocapture >"$log" 2>&1 || {
        grep -v 'a `trace` panicked' "$log" | tail -n 100 >&2
        return 1
    }
    grep '^seeds' "$log"
}

if [[ ${1-} == racing ]]; then
    step "random programs, ${2-3} minutes" racing "${2-3}"
    exit 0
fi

# Lox programs with a cycle at every few allocations: their output must not depend on it.
lox_under_stress() {
    local lox="$CARGO_TARGET_DIR/release/examples/lox" program barrier markers expected
    for program in tests/lox/*.lox; do
        expected=$(timeout 60 "$lox" "$program" 2>&1 || true)
        for barrier in insertion deletion hybrid stop-the-world; do
            for markers in 0 1; do
                if [[ $(timeout 120 "$lox" --stress --barrier "$barrier" --markers "$markers" "$program" 2>&1 || true) != "$expected" ]]; then
                    echo "$program prints something else with --stress --barrier $barrier --markers $markers" >&2
                    return 1
                fi
            done
        done
        echo "   $program: the same under 4 barriers with 0 and 1 markers"
    done
}

# The tests whose programs race, or collect all the time.
tests=()
for name in stress model threads many_heaps cells leaked_guards drop_marks weak roots; do tests+=(--test "$name"); done
step 'build, with the verifier' cargo build --release --features verify --examples
step 'Lox with the verifier' lox_under_stress
step 'tests with the verifier, optimised' \
    timeout 900 cargo test --release --features verify "${tests[@]}"
step 'all programs of two threads about a handshake' env TRICOLOR_PAIRS=all \
    timeout 1200 cargo test --release --features verify --lib -- barrier::tests::pairs --nocapture
step 'model test, 10 minutes' model 10
step 'random programs, 3 minutes' racing 3
step 'soak with the verifier, half a minute' timeout 300 "$CARGO_TARGET_DIR/release/examples/soak" 0.5
