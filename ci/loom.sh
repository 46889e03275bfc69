#!/usr/bin/env bash
# The protocols under loom (src/loom_tests): the collector that ships, with `sync` swapped for loom's primitives.
#
#   ci/loom.sh            bounded: each model allows 1 or 2 preemptions in an execution; about three minutes on two cores
#   ci/loom.sh full       one more in each model; takes hours
#   ci/loom.sh NAME...    bounded, only the models whose path contains a NAME
#
# Prints a line per model and per broken twin: what was explored, and what loom found in the twin.

source "$(dirname "${BASH_SOURCE[0]}")/common.sh"

export CARGO_TARGET_DIR RUSTFLAGS='--cfg tricolor_loom'
CARGO_TARGET_DIR=$(target_dir loom)
export LOOM_EXTRA_PREEMPTIONS=0
limit=${LOOM_TIMEOUT-900}
filters=("$@")

if [[ ${1-} == full ]]; then
    LOOM_EXTRA_PREEMPTIONS=1
    limit=${LOOM_TIMEOUT-28800}
    filters=("${@:2}")
fi
[[ ${#filters[@]} -gt 0 ]] || filters=(loom_tests)

list=$(cargo test -q --lib --release -- --list)
for filter in "${filters[@]}"; do
    if ! grep -q "$filter.*: test$" <<<"$list"; then
        echo "ci/loom.sh: no model matches $filter" >&2
        exit 1
    fi
    step "models: $filter (extra preemptions: $LOOM_EXTRA_PREEMPTIONS)" \
        timeout "$limit" cargo test --lib --release "$filter" -- --nocapture
done
