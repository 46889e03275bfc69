#!/usr/bin/env bash
# Everything that must pass. Without arguments: all steps, in this order, up to the first that fails.
#
#   ci/test.sh                 all of them but stress and asan, which repeat tests and take long
#   ci/test.sh quick           without loom, stress and the sanitizers
#   ci/test.sh STEP...         some of them: style fmt clippy test docs examples verify planted loom
#                              model fuzz valgrind stress tsan asan

source "$(dirname "${BASH_SOURCE[0]}")/common.sh"

quick=(style fmt clippy test docs examples)
all=("${quick[@]}" verify planted fuzz valgrind loom model tsan)

case ${1-} in
    '') steps=("${all[@]}") ;;
    quick) steps=("${quick[@]}") ;;
    *) steps=("$@") ;;
esac

export CARGO_TARGET_DIR
CARGO_TARGET_DIR=$(target_dir '')

run_examples() {
    local name program lox="$CARGO_TARGET_DIR/release/examples/lox" runs=()
    cargo build --release --examples
    for name in hello graph; do
        timeout 60 cargo run -q --release --example "$name"
    done
    for program in examples/lox/programs/*.lox; do
        for barrier in insertion deletion hybrid stop-the-world; do
            runs+=("echo '   $program, $barrier' && timeout 120 '$lox' --barrier $barrier $program >/dev/null")
        done
    done
    side_by_side "${runs[@]}"
}

for name in "${steps[@]}"; do
    case $name in
        style) step 'house rules' ci/style.sh
               step 'tests named in SAFETY.md exist' ci/check_names.sh ;;
        fmt) step 'formatting' cargo fmt --all --check ;;
        clippy)
            step 'lints' cargo clippy --workspace --all-targets -- -D warnings
            step 'lints, with the verifier' cargo clippy --all-targets --features verify -- -D warnings
            step 'lints, without the derive' cargo clippy --no-default-features -- -D warnings
            step 'lints, of the models' env RUSTFLAGS='--cfg tricolor_loom' \
                cargo clippy --all-targets --target-dir "$(target_dir loom)" -- -D warnings ;;
        test) step 'unit, integration, compile-fail and documentation tests' timeout 900 cargo test --workspace
              step 'tests that speed makes strict' timeout 600 cargo test --release --test cycles --test cells
              step 'the protocol, state by state' timeout 600 cargo test --release --test protocol_model -- --nocapture ;;
        verify) step 'stress and model tests, with the verifier after each cycle' \
                timeout 900 cargo test --features verify --test stress --test model --test weak --test panics
                step 'random programs, with the verifier' ci/stress.sh racing 1 ;;
        planted) step 'planted bugs' ci/planted.sh ;;
        fuzz) step 'fuzzing' ci/fuzz.sh 5 ;;
        valgrind) step 'valgrind' ci/valgrind.sh ;;
        docs) step 'documentation' ci/docs.sh ;;
        examples) step 'examples' run_examples ;;
        loom) step 'loom' ci/loom.sh ;;
        model) step "model checking for users" ci/model.sh ;;
        stress) step 'stress' ci/stress.sh ;;
        # The whole of tests/ takes long under a sanitizer; without arguments the scripts run it.
        tsan) step 'ThreadSanitizer' env TRICOLOR_RANDOM_SECONDS=20 ci/tsan.sh barriers roots weak panics stress random_programs ;;
        asan) step 'AddressSanitizer' ci/asan.sh drops panics roots weak ;;
        *) echo "ci/test.sh: no step is called $name" >&2; exit 2 ;;
    esac
done
printf '\nall of these passed: %s\n' "${steps[*]}"
