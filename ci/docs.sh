#!/usr/bin/env bash
# The documentation builds without a warning: no broken link, nothing public undocumented.

source "$(dirname "${BASH_SOURCE[0]}")/common.sh"

export CARGO_TARGET_DIR RUSTDOCFLAGS='-D warnings'
CARGO_TARGET_DIR=$(target_dir '')
step 'cargo doc' cargo doc --workspace --no-deps
