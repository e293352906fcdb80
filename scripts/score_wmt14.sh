#!/usr/bin/env bash
# The paper's scores on newstest2014; scripts/score_wmt14.sh --help tells how.
set -euo pipefail

usage() {
    cat <<'EOT'
usage: scripts/score_wmt14.sh en-fr|en-de FILE [options of moe-nmt-score]

Scores translations of newstest2014, FILE or the folder of fairseq-generate's --results-path, by the
paper's protocol: multi-bleu on what Moses' tokenizer makes of both sides, case kept; for German also
with compounds split; beside it sacreBLEU and chrF.  Needs the package sacremoses.

  --reference FILE    the reference is here already; else sacreBLEU downloads and checks it
  --test-set wmt14    not all 3003 sentences of it (wmt14/full) but the 2737 of en-de, or the 3003 of
                      en-fr, that the organisers scored

moe-nmt-score --help tells of all other options.
EOT
}

checkout=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
case ${1:-} in
    -h | --help) usage; exit ;;
    en-fr | en-de) pair=$1; shift ;;
    *) echo "moe_nmt: name en-fr or en-de; see scripts/score_wmt14.sh --help" >&2; exit 2 ;;
esac

test_set=wmt14/full reference=() options=()
while [ $# -gt 0 ]; do
    case $1 in
        --test-set | --reference)
            [ $# -ge 2 ] || { echo "moe_nmt: $1 needs a value" >&2; exit 2; }
            if [ "$1" = --test-set ]; then test_set=$2; else reference=(--reference "$2"); fi
            shift 2 ;;
        *) options+=("$1"); shift ;;
    esac
done

if [ ${#reference[@]} = 0 ]; then
    work=$(mktemp -d)
    trap 'rm -rf "$work"' EXIT
    reference=(--reference "$work/newstest2014.${pair#*-}")
    sacrebleu --test-set "$test_set" --language-pair "$pair" --echo ref --quiet \
        > "${reference[1]}" 2> "$work/log" || {
        echo "moe_nmt: sacreBLEU cannot get $test_set for $pair ($(tail -n 1 "$work/log")):" \
            "name your copy of the reference by --reference" >&2
        exit 1
    }
fi
export PYTHONPATH="$checkout${PYTHONPATH:+:$PYTHONPATH}"
python -m moe_nmt.cli.score --tokenizer moses --language "${pair#*-}" "${reference[@]}" \
    "${options[@]}"
