#!/usr/bin/env bash
# Model checking for users (src/model): the module's examples, the guide's, and tests/model_checking, under loom. About a minute
# on two cores.
#
#   ci/model.sh            all of it
#   ci/model.sh NAME...    the tests whose path contains a NAME
#
# Prints a line per model: what was explored, and, where one is meant to be wrong, what was found.

source "$(dirname "${BASH_SOURCE[0]}")/common.sh"

export CARGO_TARGET_DIR RUSTFLAGS='--cfg tricolor_loom' RUSTDOCFLAGS='--cfg tricolor_loom'
CARGO_TARGET_DIR=$(target_dir loom)
# What loom throws, reports tell; traces of coroutines say nothing.
export RUST_BACKTRACE=0

step "users' models" timeout 600 cargo test --release --test model_checking -- --nocapture "$@"
if [[ $# == 0 ]]; then
    step 'examples of the model module and its guide' timeout 300 cargo test --release --doc model
fi
