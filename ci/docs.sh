#!/usr/bin/env bash
# The documentation builds without a warning: no broken link, nothing public undocumented.

source "$(dirname "${BASH_SOURCE[0]}")/common.sh"

export CARGO_TARGET_DIR RUSTDOCFLAGS='-D warnings'
CARGO_TARGET_DIR=$(target_dir '')
step 'cargo doc' cargo doc --workspace --no-deps
export RUSTFLAGS='--cfg tricolor_loom' RUSTDOCFLAGS="$RUSTDOCFLAGS --cfg tricolor_loom"
step 'cargo doc, with the model module' cargo doc --no-deps --target-dir "$(target_dir loom)"
