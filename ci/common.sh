# Sourced by the scripts of this folder: paths, and how a step is announced.

set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

export CARGO_TERM_COLOR=never
export RUST_BACKTRACE=1

host=$(rustc -vV | sed -n 's/^host: //p')

# target_dir NAME: the build directory of a script. Flags differ, so each has its own; CARGO_TARGET_DIR moves them all.
target_dir() {
    echo "${CARGO_TARGET_DIR:-$PWD/target}${1:+-$1}"
}

# step TITLE COMMAND...: prints both, runs the command, prints the seconds. A failure ends the script.
step() {
    local title=$1 began=$SECONDS
    shift
    printf '\n== %s\n   %s\n' "$title" "$*"
    "$@"
    printf '== ok: %s (%d s)\n' "$title" $((SECONDS - began))
}

# side_by_side COMMAND...: two commands at a time, each argument one; prints what they say, one after the other. Whether all succeeded.
side_by_side() {
    local command failed=0 running=() logs=()
    collect() {
        wait "${running[0]}" || failed=1
        cat "${logs[0]}"
        rm -f "${logs[0]}"
        running=("${running[@]:1}") logs=("${logs[@]:1}")
    }
    for command in "$@"; do
        ((${#running[@]} < 2)) || collect
        logs+=("$(mktemp)")
        bash -c "$command" >"${logs[-1]}" 2>&1 &
        running+=($!)
    done
    while ((${#running[@]} > 0)); do collect; done
    return "$failed"
}

# Whether a nightly toolchain is installed.
has_nightly() {
    cargo +nightly --version >/dev/null 2>&1
}

# For builds whose `dev` profile is optimised: the code of others need not be.
quick_dependencies='profile.dev.package."*".opt-level=0'

# Names of the test files in tests/ that a sanitizer can run: all but those that call the compiler (`ui`, and of `lox` what
# `without_compiler` leaves out), `memory` and `idle_heaps`, which measure the process, most of it the sanitizer's, `no_threads`,
# whose stacks do not fit into memory, and the explicit-state model, which has no code of the crate in it and one thread.
sanitizable_tests() {
    local file
    for file in tests/*.rs; do
        case $(basename "$file" .rs) in
            ui | memory | idle_heaps | no_threads | protocol_model) ;;
            *) printf -- '--test\n%s\n' "$(basename "$file" .rs)" ;;
        esac
    done
}

# Arguments for the test programs: the command line of the Lox example is built by its tests, without a sanitizer's flags.
without_compiler=(--skip command_line)
