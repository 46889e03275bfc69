#!/usr/bin/env bash
# Every test that SAFETY.md names exists and is a test, its cases are 1 to 67, and it names every file of src with unsafe code. A name is written
# `tests/FILE.rs::TEST`, `src/FILE.rs::TEST` or `tests/ui/CASE.rs`; a file alone must exist too.

source "$(dirname "${BASH_SOURCE[0]}")/common.sh"

# is_test FILE NAME: the file has a function of that name under `#[test]`, after which only other attributes and comments come before a function. (In a
# proptest! block it is written the same way.)
is_test() {
    awk -v name="$2" '
        /^[[:space:]]*#\[test\]/ { test = 1 }
        /^[[:space:]]*(pub(\([a-z]+\))? )?((unsafe|const|async) )*fn / {
            if (test && index($0, "fn " name "(")) { found = 1; exit }
            test = 0
        }
        END { exit !found }' "$1"
}

failed=0 files=0 tests=0
while read -r name; do
    file=${name%%::*}
    if [[ ! -f $file ]]; then
        echo "SAFETY.md names $name, but there is no file $file" >&2
        failed=1
        continue
    fi
    files=$((files + 1))
    if [[ $name == *::* ]]; then
        tests=$((tests + 1))
        function=${name##*::}
        if ! is_test "$file" "$function"; then
            echo "SAFETY.md names $name, but $file has no function of that name under #[test]" >&2
            failed=1
        fi
    elif [[ $file == tests/ui/*.rs && ! -f ${file%.rs}.stderr ]]; then
        echo "SAFETY.md names $file, but it has no expected error beside it" >&2
        failed=1
    fi
done < <(grep -oE '`(tests|src|derive|ci|examples)/[A-Za-z0-9_/.-]+\.(rs|sh)(::[A-Za-z0-9_]+)?`' SAFETY.md | tr -d '`' | sort -u)

# The table of cases has its rows, each once and in order.
cases=$(awk -F'|' '/^## /{ here = /^## Sixty-seven ways/ } here && $2 ~ /^ *[0-9]+ *$/ { print $2 + 0 }' SAFETY.md)
if ! diff <(seq 67) <(echo "$cases") >&2; then
    echo "SAFETY.md's table of cases has not the rows 1 to 67, see above" >&2
    failed=1
fi

# Every file with unsafe code is in its list.
while read -r file; do
    if ! grep -qF "\`$file\`" SAFETY.md; then
        echo "$file has unsafe code and is not in SAFETY.md's list" >&2
        failed=1
    fi
done < <(grep -rlE '\bunsafe (\{|impl|fn|trait|extern)' src --include='*.rs' | grep -v '^src/loom_tests' | sort)

if ((tests == 0)); then
    echo 'SAFETY.md names no test: the table has lost its form' >&2
    failed=1
fi
((failed)) || echo "SAFETY.md: $tests tests and $((files - tests)) other files named, all there"
exit "$failed"
