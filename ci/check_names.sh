#!/usr/bin/env bash
# Every test that SAFETY.md names exists, and it names every file of src with unsafe code. A name is written `tests/FILE.rs::TEST`, `src/FILE.rs::TEST` or
# `tests/ui/CASE.rs`; a file alone must exist too.

source "$(dirname "${BASH_SOURCE[0]}")/common.sh"

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
        # The attribute may be followed by other attributes; in a proptest! block the function is written the same way.
        if ! grep -qE "^[[:space:]]*(pub(\([a-z]+\))? )?fn $function\(" "$file"; then
            echo "SAFETY.md names $name, but $file has no test of that name" >&2
            failed=1
        fi
    elif [[ $file == tests/ui/*.rs && ! -f ${file%.rs}.stderr ]]; then
        echo "SAFETY.md names $file, but it has no expected error beside it" >&2
        failed=1
    fi
done < <(grep -oE '`(tests|src|derive|ci|examples)/[A-Za-z0-9_/.-]+\.(rs|sh)(::[A-Za-z0-9_]+)?`' SAFETY.md | tr -d '`' | sort -u)

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
