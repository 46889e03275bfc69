#!/usr/bin/env bash
# The protocols under loom (src/loom_tests): the collector that ships, with `sync` swapped for loom's primitives.
#
#   ci/loom.sh                     bounded: each model allows 1 or 2 preemptions in an execution; three minutes on two cores
#   ci/loom.sh full                one more in each model; takes hours
#   ci/loom.sh orderings [FILTER]  each ordering in src that is not Relaxed, or those whose FILE:LINE:PART contains FILTER,
#                                  is weakened alone; says which model finds it. Takes an hour
#   ci/loom.sh twin NAME           runs all models as that twin until one finds it
#   ci/loom.sh NAME...             bounded, only the models whose path contains a NAME
#
# LOOM_MAX_PREEMPTIONS=N is a bound for all of them, with which fewer twins are caught.
# Prints a line per model and per broken twin: what was explored, and what loom found in the twin.

source "$(dirname "${BASH_SOURCE[0]}")/common.sh"

export CARGO_TARGET_DIR RUSTFLAGS='--cfg tricolor_loom'
CARGO_TARGET_DIR=$(target_dir loom)
export LOOM_EXTRA_PREEMPTIONS=0 RUST_BACKTRACE=0
limit=${LOOM_TIMEOUT-900}

# The test program, built.
program() {
    cargo test -q --lib --release --no-run --message-format=json |
        sed -n 's/.*"executable":"\([^"]*\)".*/\1/p' | tail -n 1
}

# weakened NAME=VALUE...: what the models say of one weakening.
weakened() {
    local said
    said=$(env "$@" timeout "$limit" "$program" loom_tests::survey::weakened --exact --nocapture 2>/dev/null) || true
    if ! grep -E '^(CAUGHT|NOT CAUGHT)' <<<"$said"; then
        # An abort, or the time is over.
        echo "CAUGHT? | $(grep '^TRYING' <<<"$said" | tail -n 1) | no answer"
    fi
}

# ordering FILE:LINE:PART: what the models that reach it say of it.
ordering() {
    local models
    models=$(sed -n "s#^$1 | ##p" "$work/reached" | paste -sd'|')
    echo "$1 | $(weakened TRICOLOR_RELAX="$1" TRICOLOR_MODELS="$models" LOOM_MAX_DURATION=180)"
}

# Prints FILE:LINE:PART and what the models say, for each site that a model reaches; then the sites that none does.
orderings() {
    local filter=${1-} sites
    work=$(mktemp -d)
    trap 'rm -r "$work"' EXIT
    # A build meanwhile does not matter.
    cp "$program" "$work/program"
    program=$work/program
    TRICOLOR_SITES=1 timeout "$limit" "$program" loom_tests --nocapture \
        --skip twins --skip survey >"$work/sites" 2>/dev/null
    grep '^SITE' "$work/sites" | sed 's/^SITE //' | sort >"$work/reached"
    sites=$(cut -d' ' -f1 "$work/reached" | grep -v loom_tests | sort -u | grep -F "$filter" || true)
    export -f weakened ordering
    export program limit work
    xargs -P 2 -I @ bash -c 'ordering @' <<<"$sites"
    echo "not reached by any model:"
    grep -rnE 'Ordering::(Acquire|Release|AcqRel|SeqCst)' src --include='*.rs' |
        grep -vE 'src/(loom_tests|sync)/' | while IFS=: read -r file line text; do
        # The call is on this line or a few above.
        from=$line
        while [[ $from -gt $((line - 8)) ]] && ! sed -n "${from}p" "$file" |
            grep -qE '\.(load|store|swap|compare_exchange(_weak)?|fetch_[a-z]+)\('; do
            from=$((from - 1))
        done
        grep -q "^$file:$from:" "$work/reached" || echo "$file:$line |$text"
    done
}

case ${1-} in
    orderings)
        program=$(program)
        orderings "${2-}"
        exit ;;
    twin)
        program=$(program)
        weakened TRICOLOR_TWIN="$2"
        exit ;;
    full)
        LOOM_EXTRA_PREEMPTIONS=1
        limit=${LOOM_TIMEOUT-28800}
        filters=("${@:2}") ;;
    *) filters=("$@") ;;
esac
[[ ${#filters[@]} -gt 0 ]] || filters=(loom_tests)

# models NAME...: each in a process of its own, as many at a time as there are processors. (In one process it would take twice as
# long: each execution maps and unmaps a heap and its threads' stacks, for which all threads of a process wait.)
models() {
    printf '%s\n' "$@" | timeout "$limit" xargs -P "$(nproc)" -I @ "$program" --exact @ --nocapture
}

program=$(program)
list=$("$program" --list | sed -n 's/: test$//p')
for filter in "${filters[@]}"; do
    mapfile -t names < <(grep "$filter" <<<"$list")
    if [[ ${#names[@]} -eq 0 ]]; then
        echo "ci/loom.sh: no model matches $filter" >&2
        exit 1
    fi
    step "models: $filter (${#names[@]}, extra preemptions: $LOOM_EXTRA_PREEMPTIONS)" models "${names[@]}"
done
