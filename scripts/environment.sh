# What install.sh and test_wheel.sh share, which source this in the project's folder: the Python that
# will do, torch, and fairseq compiled here.  PYTHON, TORCH and CXX name others than these.

torch=${TORCH:-torch==2.13.0}
compiler=${CXX:-c++}
fairseq=$(grep -o 'fairseq-fixed==[0-9.]*' setup.py)

say() { printf '%s: %s\n' "$(basename "$0" .sh)" "$*"; }
fail() {
    say "$*" >&2
    exit 1
}

# Why $python will not do; nothing if it will.
objection() {
    local another="name a Python 3.11, 3.12 or 3.13 with PYTHON=/path/to/python3."
    if ! "$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))'; then
        echo "$("$python" -V) is too old: $another"
    elif ! "$python" -c 'import sys; sys.exit(sys.version_info >= (3, 14))'; then
        echo "$("$python" -V) is too new for fairseq and hydra, which fail on how it prints types and" \
            "help: $another"
    elif ! "$python" -c 'import ensurepip' 2> /dev/null; then
        echo "$python cannot make virtual environments: install its venv package (python3-venv on Debian)."
    elif [[ ! -e $("$python" -c 'import sysconfig; print(sysconfig.get_path("include"))')/Python.h ]]; then
        echo "$python has no C headers: install its development package (python3-dev on Debian)."
    fi
}

# Sets python to PYTHON, else to the newest one that will do.
find_python() {
    local names=(python3.13 python3.12 python3.11 python3) why first=
    [[ -z ${PYTHON:-} ]] || names=("$PYTHON")
    for python in "${names[@]}"; do
        "$python" -c '' 2> /dev/null || continue  # a name may lead to no Python, as pyenv's do
        why=$(objection)
        [[ -n $why ]] || return 0
        first=${first:-$why}
    done
    fail "${first:-$python was not found: install Python 3.11, 3.12 or 3.13, or name yours with\
 PYTHON=/path/to/python3.}"
}

find_compiler() {
    command -v "${compiler%% *}" > /dev/null ||
        fail "the C++ compiler ${compiler%% *} was not found: install one (g++ on Debian), or name yours with CXX=."
}

# Byte code is left to the import that ends the installation, which needs a part of what pip would
# compile.
install() { "$python" -m pip install -qq --disable-pip-version-check --no-compile "$@"; }

install_torch() {
    local words
    say "$torch"
    read -ra words <<< "$torch"
    install "${words[@]}"
}

# Puts fairseq's wheel into a folder, unless it is installed already.
build_fairseq() {
    local wheels=$1 installed
    installed='import importlib.metadata as m; print("fairseq-fixed==" + m.version("fairseq-fixed"))'
    [[ $("$python" -c "$installed" 2> /dev/null) != "$fairseq" ]] || return 0
    say "$fairseq, compiled here"
    install numpy cython setuptools wheel
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
}
