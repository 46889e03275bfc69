#!/usr/bin/env bash
# The fuzzer's targets (fuzz/): the operation sequences of the model test, size classes and page heap, the Lox front end.
#
#   ci/fuzz.sh [SECONDS]            runs the corpus, and each target for SECONDS (default 10)
#   ci/fuzz.sh SECONDS TARGET...    the named targets
#
# With cargo-fuzz and a nightly toolchain the targets are instrumented and look for new inputs. Without, the corpus alone
# runs, if there is a C++ compiler for libFuzzer.

source "$(dirname "${BASH_SOURCE[0]}")/common.sh"

seconds=${1-10}
targets=("${@:2}")
((${#targets[@]})) || targets=(lox_front_end heap_layout model_ops)

# Folders of inputs for a target, beside what a run finds.
seeds() {
    echo "fuzz/corpus/$1"
    if [[ $1 == lox_front_end ]]; then
        printf '%s\n' tests/lox examples/lox/programs
    fi
}

run_corpus() {
    local binary=$1 target=$2 files
    mapfile -t files < <(seeds "$target" | xargs -I{} find {} -type f)
    if ! timeout 300 "$binary" "${files[@]}" >"$log" 2>&1; then
        tail -40 "$log" >&2
        return 1
    fi
    echo "   $target: ${#files[@]} inputs of the corpus"
}

fuzz() {
    local binary=$1 target=$2 folders
    mapfile -t folders < <(seeds "$target")
    mkdir -p "$found/$target"
    if ! timeout $((seconds + 300)) "$binary" -artifact_prefix="$found/$target-" -max_total_time="$seconds" -max_len=2000 \
        -timeout=30 "$found/$target" "${folders[@]}" >"$log" 2>&1; then
        tail -60 "$log" >&2
        return 1
    fi
    echo "   $target: $(grep -oE 'Done [0-9]+ runs' "$log" | tail -1), $(grep -oE 'cov: [0-9]+' "$log" | tail -1)"
}

log=$(mktemp)
# Inputs found, and what crashed; kept where something was found wrong.
found=$(mktemp -d)
if has_nightly && cargo +nightly fuzz --version >/dev/null 2>&1; then
    built=$(target_dir fuzz)
    # Leaks are not looked for: what live objects own is reached through the heap's mappings.
    export ASAN_OPTIONS=detect_leaks=0
    step 'build the fuzz targets' cargo +nightly fuzz build --target-dir "$built"
    for target in "${targets[@]}"; do
        step "$target, $seconds s" fuzz "$built/$host/release/$target" "$target"
    done
elif command -v c++ >/dev/null; then
    echo 'fuzz: only the corpus, there is no cargo-fuzz or no nightly toolchain'
    export CARGO_TARGET_DIR
    CARGO_TARGET_DIR=$(target_dir '')
    step 'build the fuzz targets' cargo build -q --manifest-path fuzz/Cargo.toml
    for target in "${targets[@]}"; do
        step "$target" run_corpus "$CARGO_TARGET_DIR/debug/$target" "$target"
    done
else
    echo 'fuzz: SKIPPED, there is neither cargo-fuzz nor a C++ compiler'
fi
rm -rf "$log" "$found"
