#!/usr/bin/env bash
# The whole way on the embedded corpus, in minutes on two cores: sentences, subwords, training,
# translation, the balance of the experts, BLEU.   scripts/demo.sh [SRC TGT]   (default: en de)
set -euo pipefail

src=${1:-en} tgt=${2:-de}
checkout=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
out=$checkout/runs/demo.$src-$tgt
export PYTHONPATH="$checkout${PYTHONPATH:+:$PYTHONPATH}"
say() { printf '\n== %s\n' "$*"; }

for language in "$src" "$tgt"; do
    case $language in
        en | de | fr) ;;
        *) echo "moe_nmt: the embedded corpus speaks en, de and fr, not $language" >&2; exit 2 ;;
    esac
done
for command in python fairseq-train sacrebleu; do
    command -v $command > /dev/null || {
        echo "moe_nmt: $command is not found: run make demo, or activate the environment first" >&2
        exit 2
    }
done
rm -rf "$out"
mkdir -p "$out"
cd "$out"

# Runs a command with its output in a log, which is shown if the command fails.
quietly() {
    local log=$1
    shift
    "$@" > "$log" 2>&1 || { tail -n 30 "$log" >&2; echo "moe_nmt: $1 failed, see $out/$log" >&2; exit 1; }
}

say "20,000 sentence pairs from the grammar in data/embedded"
python "$checkout/data/embedded/generate.py" text --seed 1
paste -d '\n' <(head -n 2 "text/train.$src") <(head -n 2 "text/train.$tgt")

say "one subword vocabulary for both languages, then fairseq's binary files"
quietly subword.log python -m moe_nmt.cli.subword learn --vocabulary 1500 \
    --input "text/train.$src" "text/train.$tgt" --output subword.model
mkdir pieces
for split in train valid test; do
    quietly subword.log python -m moe_nmt.cli.subword apply --model subword.model \
        --input "text/$split.$src" "text/$split.$tgt" \
        --output "pieces/$split.$src" "pieces/$split.$tgt"
done
quietly preprocess.log fairseq-preprocess --source-lang "$src" --target-lang "$tgt" \
    --joined-dictionary --trainpref pieces/train --validpref pieces/valid --testpref pieces/test \
    --destdir binarised

say "training: an LSTM encoder-decoder with two mixtures of 8 experts (log: $out/train.log)"
touch train.log # tail reads it at once
fairseq-train binarised --user-dir "$checkout/moe_nmt" --task expert_parallel_translation \
    --arch gnmt_moe_tiny --criterion balanced_cross_entropy --label-smoothing 0.1 \
    --optimizer fused_adam --lr 0.004 --lr-scheduler warmup_constant_inverse_sqrt \
    --warmup-updates 200 --constant-updates 500 --clip-norm 1.0 --max-tokens 2000 --max-epoch 6 \
    --seed 1 --num-workers 0 --save-dir checkpoints --no-epoch-checkpoints \
    --log-format simple --log-interval 100 > train.log 2>&1 &
training=$!
trap 'kill $training 2> /dev/null || :' EXIT # not alone in the background
tail -n +1 -f --pid=$training train.log | sed -un \
    's/.* | valid | \(epoch [0-9]*\) .* | ppl \([0-9.]*\) .*/  \1: valid perplexity \2/p'
wait $training || { tail -n 5 train.log >&2; exit 1; }
trap - EXIT

say "translating the test set, 1,000 sentences the model has never seen"
quietly generate.log fairseq-generate binarised --user-dir "$checkout/moe_nmt" \
    --task expert_parallel_translation --gen-subset test --path checkpoints/checkpoint_best.pt \
    --beam 5 --max-tokens 4000 --results-path .
python -m moe_nmt.cli.subword text --input generate-test.txt --source "text/test.$src" \
    --output "hypothesis.$tgt"
labelled() { head -n 5 "$2" | sed "s/^/  $(printf '%-13s' "$1")/"; }
paste -d '\n' <(labelled source "text/test.$src") <(labelled translation "hypothesis.$tgt") \
    <(labelled reference "text/test.$tgt")

say "how evenly the experts are used (test set, no noise)"
python -m moe_nmt.cli.inspect checkpoints/checkpoint_best.pt binarised --split test 2> inspect.log

say "score of $out/hypothesis.$tgt"
score() { sacrebleu "text/test.$tgt" --input "hypothesis.$tgt" --metrics bleu "$@"; }
score --format text --width 1 | sed -n 's/ = .*//p'
echo "sacreBLEU = $(score --score-only --width 1)"
