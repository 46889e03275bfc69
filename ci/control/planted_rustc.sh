#!/usr/bin/env bash
# RUSTC_WORKSPACE_WRAPPER of ci/planted.sh: the crates of the workspace are built with the switch for planted bugs, their
# dependencies as always.
exec "$@" --cfg 'tricolor_twin="planted"'
