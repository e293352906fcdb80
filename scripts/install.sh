#!/usr/bin/env bash
# Builds .venv: torch, the build tools, fairseq, then this project with its development tools.
# `make install` runs it, with PYTHON and TORCH; after an interruption, running it again goes on.
set -euo pipefail
cd "$(dirname "$0")/.."

python=${PYTHON:-python3.11}
torch=${TORCH:-torch==2.13.0}
compiler=${CXX:-c++}
fairseq=$(grep -o 'fairseq-fixed==[0-9.]*' setup.py)

say() { printf 'install: %s\n' "$*"; }
fail() {
    say "$*" >&2
    exit 1
}

command -v "$python" >/dev/null ||
    fail "$python was not found: install Python 3.11 or newer, or name yours with PYTHON=/path/to/python3."
"$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' ||
    fail "$("$python" -V) is too old: name a Python 3.11 or newer with PYTHON=/path/to/python3."
"$python" -c 'import ensurepip' 2>/dev/null ||
    fail "$python cannot make virtual environments: install its venv package (python3-venv on Debian)."
[[ -e $("$python" -c 'import sysconfig; print(sysconfig.get_path("include"))')/Python.h ]] ||
    fail "$python has no C headers: install its development package (python3-dev on Debian)."
command -v "${compiler%% *}" >/dev/null ||
    fail "the C++ compiler ${compiler%% *} was not found: install one (g++ on Debian), or name yours with CXX=."

# Written last: without it nothing in .venv is taken as finished.
stamp=.venv/.installed
rm -f "$stamp"
"$python" -m venv .venv
python=.venv/bin/python
# Byte code is left to the first import, which needs a part of what pip would compile.
install() { "$python" -m pip install -qq --disable-pip-version-check --no-compile "$@"; }

say "$torch"
read -ra words <<<"$torch"
install "${words[@]}"
install numpy cython setuptools wheel

wheels=$(mktemp -d)
trap 'rm -rf "$wheels"' EXIT
installed='import importlib.metadata as m; print("fairseq-fixed==" + m.version("fairseq-fixed"))'
if [[ $("$python" -c "$installed" 2>/dev/null) != "$fairseq" ]]; then
    say "$fairseq, compiled here"
    "$python" -m pip download -qq --disable-pip-version-check --no-deps --no-build-isolation \
        --no-binary fairseq-fixed -d "$wheels" "$fairseq"
    mkdir "$wheels/source"
    tar -xzf "$wheels"/fairseq_fixed-*.tar.gz -C "$wheels/source" --strip-components 1
    # Its extensions that include torch's headers take nine tenths of the build, and serve models that
    # are not used here (BASE layers, Levenshtein and simultaneous translation, all loading them lazily).
    sed -i.bak 's/^cmdclass = /extensions = [e for e in extensions if "torch" not in e.libraries]; &/' \
        "$wheels/source/setup.py"
    "$python" -m pip wheel -qq --disable-pip-version-check --no-deps --no-build-isolation \
        -w "$wheels" "$wheels/source"
fi

say "moe_nmt and its development tools"
install --no-build-isolation --find-links "$wheels" -e '.[dev,plot]'

trial=$("$python" -c 'import torch, fairseq.data.data_utils_fast, moe_nmt' 2>&1) ||
    fail "$(tail -n 1 <<<"$trial"): what was installed is broken; remove .venv and run make install again."
printf '%s\n' "$torch" >"$stamp"
say "done: . .venv/bin/activate, or make demo"
