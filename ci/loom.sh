#!/usr/bin/env bash
# The protocols under loom (src/loom_tests): the types that ship, with `sync` swapped for loom's primitives.
#
#   ci/loom.sh            bounded: at most 2 preemptions in an execution
#   ci/loom.sh full       unbounded but for loom's own limits; takes long
#   ci/loom.sh NAME...    bounded, only the models whose path contains a NAME

source "$(dirname "${BASH_SOURCE[0]}")/common.sh"

export CARGO_TARGET_DIR RUSTFLAGS='--cfg loom'
CARGO_TARGET_DIR=$(target_dir loom)
export LOOM_MAX_PREEMPTIONS=${LOOM_MAX_PREEMPTIONS-2}
limit=${LOOM_TIMEOUT-900}
filters=("$@")

if [[ ${1-} == full ]]; then
    unset LOOM_MAX_PREEMPTIONS
    limit=${LOOM_TIMEOUT-14400}
    filters=("${@:2}")
fi
[[ ${#filters[@]} -gt 0 ]] || filters=(loom_tests)

list=$(cargo test -q --lib --release -- --list)
for filter in "${filters[@]}"; do
    if ! grep -q "$filter.*: test$" <<<"$list"; then
        echo "ci/loom.sh: no model matches $filter" >&2
        exit 1
    fi
    step "models: $filter (preemptions: ${LOOM_MAX_PREEMPTIONS-any})" \
        timeout "$limit" cargo test --lib --release "$filter"
done
