#!/usr/bin/env bash
# Builds .venv: torch, the build tools, fairseq, then this project with its development tools.
# `make install` runs it, with PYTHON and TORCH; after an interruption, running it again goes on.
set -euo pipefail
cd "$(dirname "$0")/.."
. scripts/environment.sh

find_python
find_compiler
# Written last: without it nothing in .venv is taken as finished.
stamp=.venv/.installed
rm -f "$stamp"
# The programs of an environment hold its path: where the checkout was moved they are made anew.  The
# line that tells so goes last, lest an interruption leave the others.
made=$(grep -s '^command = ' .venv/pyvenv.cfg || :)
[[ -z $made || $made = *" $(pwd -P)/.venv" ]] || rm -rf .venv/bin .venv/lib .venv
"$python" -m venv .venv
python=.venv/bin/python

wheels=$(mktemp -d)
trap 'rm -rf "$wheels"' EXIT
install_torch
build_fairseq "$wheels"
say "moe_nmt and its development tools"
install setuptools wheel
install --no-build-isolation --find-links "$wheels" -e '.[dev,plot]'

# Writes the byte code of what is imported, which a later import may not be allowed to.
modules='torch._dynamo, fairseq.data.data_utils_fast, fairseq_cli.train, moe_nmt.plugin'
trial=$(env -u PYTHONDONTWRITEBYTECODE "$python" -c "import $modules" 2>&1) ||
    fail "$(tail -n 1 <<<"$trial"): what was installed is broken; remove .venv and run make install again."
printf '%s\n' "$torch" >"$stamp"
say "done: . .venv/bin/activate, or make demo"
