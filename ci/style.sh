#!/usr/bin/env bash
# House rules that no lint checks.

source "$(dirname "${BASH_SOURCE[0]}")/common.sh"

failed=0
complain() {
    echo "style: $*" >&2
    failed=1
}
sources() {
    git ls-files --cached --others --exclude-standard -- "$@" | while read -r file; do
        [[ -f $file ]] && echo "$file"
    done
}

# 1. The protocols do not know of loom: the cfg is written in the shim, in constructors that loom cannot make const, in
#    sizes, on the test module, and nowhere else.
mapfile -t loom < <(grep -rlE 'cfg(_attr)?\(.*\btricolor_loom\b' src --include='*.rs' | grep -v '^src/loom_tests' || true)
if ((${#loom[@]} > 6)); then
    complain "cfg(tricolor_loom) in ${#loom[@]} files of src, at most 6 are allowed: ${loom[*]}"
fi

# 2. A file is one noun. A longer one says in its header why.
while read -r file; do
    lines=$(wc -l <"$file")
    if ((lines > 500)) && ! head -60 "$file" | grep -q '^//[!/].*Longer than 500 lines:'; then
        complain "$file has $lines lines and its header has no line \"Longer than 500 lines:\" with the reason"
    fi
done < <(sources '*.rs')

# 3. Tests are on or gone.
while read -r file; do
    if grep -nE '^[[:space:]]*#\[ignore|^[^"]*\b(todo|unimplemented)!\(' "$file"; then
        complain "$file has an ignored test or unfinished code"
    fi
done < <(sources 'src/*.rs' 'derive/*.rs' 'tests/*.rs' 'examples/*.rs')

# 4. One spelling.
if grep -rnwiE 'gr[a]y' src derive/src tests/*.rs ./*.md; then
    complain 'the colour is spelt grey'
fi

# 5. Documentation examples are compiled.
if grep -rnE '//[/!] ```(.*,)?ignore' src derive/src; then
    complain 'a documentation example is not compiled'
fi

# 6. The README fits on a few screens.
if (($(wc -l <README.md) > 150)); then
    complain "README.md has $(wc -l <README.md) lines, at most 150 are allowed"
fi

exit "$failed"
