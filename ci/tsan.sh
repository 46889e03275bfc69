#!/usr/bin/env bash
# The tests under ThreadSanitizer: all of tests/ but those that call the compiler. Needs a nightly toolchain, no more;
# the standard library is not rebuilt, see ci/tsan.supp.
#
#   ci/tsan.sh              all
#   ci/tsan.sh TEST...      the named files of tests/
#
# First a control: a program with a planted race between a marker and a mutator, which must be reported.

source "$(dirname "${BASH_SOURCE[0]}")/common.sh"

if ! has_nightly; then
    echo 'tsan: SKIPPED, there is no nightly toolchain'
    exit 0
fi

export CARGO_TARGET_DIR RUSTFLAGS='-Zsanitizer=thread -Cunsafe-allow-abi-mismatch=sanitizer'
CARGO_TARGET_DIR=$(target_dir tsan)
export TSAN_OPTIONS="suppressions=$PWD/ci/tsan.supp halt_on_error=0 exitcode=66 second_deadlock_stack=1"
# Checked as in a debug build, and fast enough to meet races.
export CARGO_PROFILE_DEV_OPT_LEVEL=1

control() {
    local log status=0
    log=$(mktemp)
    cargo +nightly build -q --target "$host" --manifest-path ci/control/Cargo.toml --bin race
    # On a busy machine the two threads may miss each other.
    for _ in 1 2 3 4 5; do
        status=0
        timeout 300 "$CARGO_TARGET_DIR/$host/debug/race" >"$log" 2>&1 || status=$?
        ((status == 0)) || break
    done
    if ((status != 66)) || ! grep -q 'WARNING: ThreadSanitizer: data race' "$log"; then
        echo "the planted race was not reported (exit code $status):" >&2
        tail -20 "$log" >&2
        return 1
    fi
    echo "   reported: $(grep -c 'WARNING: ThreadSanitizer: data race' "$log") data races, exit code $status"
    rm -f "$log"
}

step 'control: the planted race is reported' control

if (($# > 0)); then
    tests=()
    for name in "$@"; do tests+=(--test "$name"); done
else
    mapfile -t tests < <(sanitizable_tests)
fi
# A file's tests one at a time: the channel between libtest's threads is in compiled std. The tests start their own threads.
# What they print is not captured: std hands the buffer on to threads that a thread starts, so a marker may be the last to drop
# it, by an `Arc` whose fence, in compiled std, TSan does not see.
run() {
    local list binary runs=()
    list=$(mktemp)
    cargo +nightly test --config "$quick_dependencies" --target "$host" --no-run --message-format=json "${tests[@]}" >"$list"
    while read -r binary; do
        runs+=("echo '   $(basename "$binary")' && timeout 3600 '$binary' --test-threads=1 --nocapture ${without_compiler[*]}")
    done < <(sed -n 's/.*"executable":"\([^"]*\)".*/\1/p' "$list")
    rm -f "$list"
    ((${#runs[@]} > 0)) && side_by_side "${runs[@]}"
}

step 'tests' run
