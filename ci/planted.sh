#!/usr/bin/env bash
# Planted bugs: the stress mode and the verifier must catch each within seconds (tests/planted.rs, src/sync/planted.rs), and the
# enumerated programs of two threads some of the broken twins (src/barrier/tests/pairs.rs).
#
#   ci/planted.sh                 every 1000th shade dropped, and the like; and those twins
#   ci/planted.sh twin NAME...    instead, which of the broken twins of src/sync/twin.rs they catch within 20 seconds. Some
#                                 twins take weak memory or a rarer interleaving: those are loom's (ci/loom.sh).
#
# Without planted bugs the same programs run in `cargo test`.

source "$(dirname "${BASH_SOURCE[0]}")/common.sh"

export CARGO_TARGET_DIR RUSTC_WORKSPACE_WRAPPER=$PWD/ci/control/planted_rustc.sh
CARGO_TARGET_DIR=$(target_dir '')
export RUST_BACKTRACE=0
tests=(cargo test --features verify --test planted --)

if [[ ${1-} == twin ]]; then
    export TRICOLOR_TEST_TWINS="${*:2}"
    step 'twins' "${tests[@]}" --exact planted::twins --nocapture
    exit 0
fi
step 'planted bugs are caught' timeout 900 "${tests[@]}" --nocapture --test-threads=1
step 'enumerated programs find broken twins' timeout 900 \
    cargo test --features verify --lib -- barrier::tests::pairs --nocapture --test-threads=1
