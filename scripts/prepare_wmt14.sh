#!/usr/bin/env bash
# WMT'14 from the published archives to binarised data; scripts/prepare_wmt14.sh --help tells how.
set -euo pipefail

usage() {
    cat <<'EOT'
usage: scripts/prepare_wmt14.sh en-fr|en-de|fr-en|de-en DEST [options of moe-nmt-prepare]

moe-nmt-prepare --wmt14 from a checkout: downloads the training corpora of WMT'14, newstest2012 and
newstest2013 as dev set and newstest2014, all 3003 sentences, as test set; checks, cleans, segments
into 32,000 shared subwords, and binarises them in DEST/binarised.  What is done already is not done
again.

  --test-sets wmt14       the 2737 sentences of newstest2014 that some papers report for en-de
  --archives FOLDER       archives that are here already, laid out as on the server: wmt13/..., or
                          where to keep those that are downloaded; default DEST/archives
  --subword moses-bpe     byte pairs (subword-nmt) of Moses' tokens (sacremoses), not SentencePiece;
                          --subword bpe: of sentences, without rules for a language
  --identify-languages    leaves out pairs with a side in another language (package eldc)
  --workers N             processes, default all of this machine

docs/data.md tells of the disk, memory and time it needs; moe-nmt-prepare --help of all options.
EOT
}

checkout=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
case ${1:-} in
    -h | --help) usage; exit ;;
    ??-??) ;;
    *) echo "moe_nmt: name en-fr, en-de, fr-en or de-en; see scripts/prepare_wmt14.sh --help" >&2; exit 2 ;;
esac
if [ $# -lt 2 ] || [[ $2 = -* ]]; then
    echo "moe_nmt: name the output folder after $1; see scripts/prepare_wmt14.sh --help" >&2
    exit 2
fi
pair=$1 dest=$2
shift 2

export PYTHONPATH="$checkout${PYTHONPATH:+:$PYTHONPATH}"
exec python -m moe_nmt.cli.prepare --wmt14 "$pair" --destdir "$dest" "$@"
