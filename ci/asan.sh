#!/usr/bin/env bash
# The tests under AddressSanitizer: all of tests/ but those that call the compiler. Needs a nightly toolchain.
#
#   ci/asan.sh              all
#   ci/asan.sh TEST...      the named files of tests/
#
# It sees what objects own outside the heap (vectors, strings, boxes): an object freed too early is reported when what it
# owned is read. The heap's own memory is the verifier's business (ci/stress.sh).
# First a control: a program with a planted use after free, which must be reported.

source "$(dirname "${BASH_SOURCE[0]}")/common.sh"

if ! has_nightly; then
    echo 'asan: SKIPPED, there is no nightly toolchain'
    exit 0
fi

export CARGO_TARGET_DIR RUSTFLAGS='-Zsanitizer=address -Cunsafe-allow-abi-mismatch=sanitizer'
CARGO_TARGET_DIR=$(target_dir asan)
# No leak check: it does not look into the heap's mappings, so what live objects own would count as leaked.
export ASAN_OPTIONS='detect_leaks=0 detect_stack_use_after_return=1 exitcode=67'
export CARGO_PROFILE_DEV_OPT_LEVEL=1

control() {
    local log status=0
    log=$(mktemp)
    cargo +nightly build -q --target "$host" --manifest-path ci/control/Cargo.toml --bin use_after_free
    timeout 300 "$CARGO_TARGET_DIR/$host/debug/use_after_free" >"$log" 2>&1 || status=$?
    if ((status != 67)) || ! grep -q 'ERROR: AddressSanitizer: heap-use-after-free' "$log"; then
        echo "the planted use after free was not reported (exit code $status):" >&2
        tail -20 "$log" >&2
        return 1
    fi
    echo "   reported: heap-use-after-free, exit code $status"
    rm -f "$log"
}

step 'control: the planted use after free is reported' control

if (($# > 0)); then
    tests=()
    for name in "$@"; do tests+=(--test "$name"); done
else
    mapfile -t tests < <(sanitizable_tests)
fi
step 'tests' timeout 3600 cargo +nightly test --config "$quick_dependencies" --no-fail-fast --target "$host" "${tests[@]}" -- "${without_compiler[@]}"
