#!/usr/bin/env bash
# Valgrind's memcheck on short tests: reads of memory that was never written, and uses of what objects own outside the
# heap after it was freed. It serialises threads, so races are ThreadSanitizer's business (ci/tsan.sh).
#
#   ci/valgrind.sh            the short ones
#   ci/valgrind.sh TEST...    all of the named files of tests/, but what marks long lists: slow
#
# First a control: a program with a planted use after free, which must be reported. There are no suppressions.

source "$(dirname "${BASH_SOURCE[0]}")/common.sh"

if ! command -v valgrind >/dev/null; then
    echo 'valgrind: SKIPPED, it is not installed'
    exit 0
fi

export CARGO_TARGET_DIR
CARGO_TARGET_DIR=$(target_dir '')
# Fair: a thread that spins for another is not to have the one processor for itself. No leak check: what live objects
# own is reached through the heap's mappings.
memcheck=(valgrind --quiet --error-exitcode=68 --leak-check=no --fair-sched=try --num-callers=25)

# Tests that mark long lists or fill tables take minutes: AddressSanitizer runs them.
slow=(while_marking all_the_time inside_containers that_move cloned_and_read dropped_while many_roots under_stress
    in_every_phase at_any_time all_epochs second_generation every_generation agrees_with every_slot_size
    resident_memory every_size straggler out_of_enter_holds leaked_guards_neither scanned_cells_leaked while_another)

control() {
    local log status=0
    log=$(mktemp)
    cargo build -q --manifest-path ci/control/Cargo.toml --bin use_after_free
    timeout 120 "${memcheck[@]}" "$CARGO_TARGET_DIR/debug/use_after_free" >"$log" 2>&1 || status=$?
    if ((status != 68)) || ! grep -q 'Invalid read of size' "$log" || ! grep -q "free'd" "$log"; then
        echo "the planted use after free was not reported (exit code $status):" >&2
        tail -20 "$log" >&2
        return 1
    fi
    echo "   reported: $(grep -m1 -oE 'Invalid read of size [0-9]+' "$log"), exit code $status"
    rm -f "$log"
}

# The executables of tests, as cargo names them; `list` holds the build's messages.
executables() {
    sed -n 's/.*"executable":"\([^"]*\)".*/\1/p' "$list"
}

check() {
    local skip=()
    for name in "${slow[@]}"; do skip+=(--skip "$name"); done
    echo "   $(basename "$1")"
    case $(basename "$1") in
        tricolor_gc-*) timeout 300 "${memcheck[@]}" "$1" -q --test-threads=1 "${skip[@]}" heap:: ;;
        *) timeout 900 "${memcheck[@]}" "$1" -q --test-threads=1 "${skip[@]}" ;;
    esac
}

# Two at a time: valgrind runs one thread of a program at a time.
run() {
    local binary failed=0 running=()
    while read -r binary; do
        check "$binary" &
        running+=($!)
        if ((${#running[@]} == 2)); then
            wait "${running[0]}" || failed=1
            running=("${running[1]}")
        fi
    done < <(executables)
    for job in "${running[@]}"; do wait "$job" || failed=1; done
    return "$failed"
}

step 'control: the planted use after free is reported' control

list=$(mktemp)
if (($# > 0)); then
    tests=()
    for name in "$@"; do tests+=(--test "$name"); done
else
    tests=(--lib --test roots --test weak --test drops --test cells)
fi
cargo test --no-run --message-format=json "${tests[@]}" >"$list" 2>/dev/null
step 'short tests' run
cargo build -q --example hello
step 'examples/hello.rs' timeout 60 "${memcheck[@]}" "$CARGO_TARGET_DIR/debug/examples/hello"
rm -f "$list"
