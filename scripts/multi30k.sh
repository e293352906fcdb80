#!/usr/bin/env bash
# Multi30k from the published files to a BLEU score; scripts/multi30k.sh --help tells how.
set -euo pipefail

usage() {
    cat <<'EOF'
usage: scripts/multi30k.sh SRC TGT [options] [-- options of fairseq-train]

Trains a model on the 29,000 sentence pairs of Multi30k and scores it on test_2016_flickr.
SRC and TGT are two of en, de, fr.
The hyper-parameters are those of configs/gnmt_moe_multi30k.yaml; options after -- override them.

  --raw FOLDER        take train, val and test_2016_flickr (.SRC.gz, .TGT.gz) from here, not from
                      their public repository
  --out FOLDER        default runs/multi30k.SRC-TGT
  --subword METHOD    sentencepiece (default) or bpe (subword-nmt)
  --vocabulary N      subwords of both languages together, default 6000
  --samples N         train on N copies of the text, all but one in sampled segmentations
                      (subword regularisation), default 1
  --alpha X           of the sampling, default 0.1
  --arch NAME         default gnmt_moe_multi30k
  --average N         average the last N epochs' checkpoints, default 6
  --seed N            default 1
  --threads N         default all of this machine
  --until STAGE       stop after this stage
  --data FILE         description of the corpus, default data/multi30k.yaml

Stages, and what they write to the output folder:
  raw                download/ (nothing with --raw), raw/: the published text, checked
  normalise          normalised/
  vocabulary         subword.model
  subword-train      pieces/train.*
  subword-held-out   pieces/val.*, pieces/test_2016_flickr.*
  binarise           binarised/
  train              checkpoints/
  average            averaged.pt
  translate          translation/: what fairseq-generate wrote
  text               hypothesis.TGT: the translations as text
  score              score.txt: BLEU and chrF of hypothesis.TGT against raw/test_2016_flickr.TGT
A stage that is done is skipped, one whose options or inputs changed is done again, and so is one
that was interrupted; training goes on from its last checkpoint.  Checkpoints of other options are
kept as checkpoints.KEY.  The state of the stages is in .stages/.
EOF
}

die() { echo "moe_nmt: $1; see scripts/multi30k.sh --help" >&2; exit 2; }

checkout=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
languages=() raw= out= subword=sentencepiece vocabulary=6000 samples=1 alpha=0.1
arch=gnmt_moe_multi30k average=6 seed=1 threads=$(nproc) until=score
data='{checkout}/data/multi30k.yaml'

while [ $# -gt 0 ]; do
    case $1 in
        -h | --help) usage; exit ;;
        --) shift; break ;;
        --raw | --out | --subword | --vocabulary | --samples | --alpha | --arch | --average | \
            --seed | --threads | --until | --data)
            [ $# -ge 2 ] || die "$1 needs a value"
            declare "${1#--}=$2"; shift 2 ;;
        -*) die "unknown option $1 (options of fairseq-train come after --)" ;;
        *) languages+=("$1"); shift ;;
    esac
done
[ ${#languages[@]} = 2 ] || die "name two languages, SRC and TGT"
src=${languages[0]} tgt=${languages[1]} test=test_2016_flickr
stages=" raw normalise vocabulary subword-train subword-held-out binarise train average translate"
stages+=" text score "
[[ $stages = *" $until "* ]] || die "--until knows no stage $until"
[[ $threads = [1-9]* ]] || die "--threads must be a positive number, not $threads"
[[ $subword = sentencepiece || $subword = bpe ]] || die "--subword is sentencepiece or bpe"
[[ $data = '{checkout}'* ]] || data=$(realpath -m "$data")
[ -z "$raw" ] || raw=$(realpath -m "$raw")
for command in python fairseq-train sacrebleu; do
    command -v $command > /dev/null || die "$command is not found: activate moe_nmt's environment"
done

export PYTHONPATH="$checkout${PYTHONPATH:+:$PYTHONPATH}" OMP_NUM_THREADS="$threads"
out=${out:-runs/multi30k.$src-$tgt}
mkdir -p "$out" 2> /dev/null || die "--out $out cannot be made a folder"
cd "$out"

# stage NAME [--inputs ...] [--outputs ...] --run COMMAND: {checkout} in it is this checkout.
stage() {
    python -m moe_nmt.cli.stage "$@"
    if [ "$1" = "$until" ] && [ "$1" != score ]; then exit; fi
}

stage raw --inputs "$data" --outputs raw/{train,val,$test}.{$src,$tgt} --run \
    python -m moe_nmt.cli.multi30k raw --data "$data" --languages "$src" "$tgt" \
    ${raw:+--raw "$raw"} --output raw

stage normalise --inputs "$data" raw/{train,val,$test}.{$src,$tgt} \
    --outputs normalised/{train,val,$test}.{$src,$tgt} --run \
    python -m moe_nmt.cli.multi30k normalise --data "$data" --languages "$src" "$tgt" \
    --raw raw --output normalised

stage vocabulary --inputs normalised/train.{$src,$tgt} --outputs subword.model --run \
    python -m moe_nmt.cli.subword learn --method "$subword" --vocabulary "$vocabulary" \
    --seed "$seed" --input normalised/train.{$src,$tgt} --output subword.model

stage subword-train --inputs subword.model normalised/train.{$src,$tgt} \
    --outputs pieces/train.{$src,$tgt} --run \
    python -m moe_nmt.cli.subword apply --model subword.model \
    --sample "$samples" --alpha "$alpha" --seed "$seed" \
    --input normalised/train.{$src,$tgt} --output pieces/train.{$src,$tgt}

stage subword-held-out --inputs subword.model normalised/{val,$test}.{$src,$tgt} \
    --outputs pieces/{val,$test}.{$src,$tgt} --run \
    python -m moe_nmt.cli.subword apply --model subword.model \
    --input normalised/{val,$test}.{$src,$tgt} --output pieces/{val,$test}.{$src,$tgt}

stage binarise --inputs pieces/{train,val,$test}.{$src,$tgt} --outputs binarised --run \
    fairseq-preprocess --source-lang "$src" --target-lang "$tgt" --joined-dictionary \
    --trainpref pieces/train --validpref pieces/val --testpref pieces/$test --destdir binarised

options=$(python -m moe_nmt.cli.train_options gnmt_moe_multi30k)
mapfile -t hyperparameters <<< "$options"
binarised=(binarised/{dict.{$src,$tgt}.txt,{train,valid,test}.$src-$tgt.{$src,$tgt}.{bin,idx}})
stage train --resumable --inputs "${binarised[@]}" --outputs checkpoints --run \
    fairseq-train binarised --user-dir '{checkout}/moe_nmt' "${hyperparameters[@]}" \
    --source-lang "$src" --target-lang "$tgt" --arch "$arch" \
    --seed "$seed" --keep-last-epochs "$average" --save-dir checkpoints "$@"

stage average --inputs .stages/train.json --outputs averaged.pt --run \
    python -m moe_nmt.cli.average --last "$average" --kind epoch checkpoints --output averaged.pt

stage translate --inputs averaged.pt "${binarised[@]}" --outputs translation --run \
    fairseq-generate binarised --user-dir '{checkout}/moe_nmt' --task expert_parallel_translation \
    --source-lang "$src" --target-lang "$tgt" --gen-subset test --path averaged.pt \
    --beam 5 --max-tokens 4000 --results-path translation

stage text --inputs translation/generate-test.txt "raw/$test.$src" --outputs "hypothesis.$tgt" \
    --run python -m moe_nmt.cli.subword text --input translation/generate-test.txt \
    --source "raw/$test.$src" --output "hypothesis.$tgt"

# Against the reference as published, never normalised.
stage score --inputs "hypothesis.$tgt" "raw/$test.$tgt" --stdout score.txt --run \
    sacrebleu "raw/$test.$tgt" --input "hypothesis.$tgt" --metrics bleu chrf --tokenize 13a \
    --format text --width 2
cat score.txt
