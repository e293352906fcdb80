#!/usr/bin/env bash
# Builds the package, installs it elsewhere, and tries all that it holds from an empty folder: first the
# layer, beside torch alone, then every command.  `make test-wheel` runs it, with PYTHON and TORCH.
set -euo pipefail
cd "$(dirname "$0")/.."
. scripts/environment.sh

checkout=$PWD
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
mkdir "$work"/{built,wheels,empty}
find_python
find_compiler
"$python" -m venv "$work/environment"
python=$work/environment/bin/python
export PATH="$work/environment/bin:$PATH" OMP_NUM_THREADS=1
unset PYTHONPATH

# Runs a command with its output in a log, which is shown if the command fails.
run() {
    local log=$1
    shift
    "$@" > "$log" 2>&1 || { tail -n 30 "$log" >&2; fail "$* failed"; }
}
# Stops unless these files are there and not empty.
left() {
    local file
    for file in "$@"; do
        [[ -s $file ]] || fail "$file was not written"
    done
}

say "the source archive, and the wheel from it"
install setuptools
rm -rf moe_nmt.egg-info # lists the files of another day
run "$work/log" env PYTHONPATH=scripts "$python" -c \
    'import sys, build_backend; build_backend.build_sdist(sys.argv[1])' "$work/built"
rm -rf moe_nmt.egg-info
run "$work/log" "$python" -m pip wheel --no-deps -w "$work/built" "$work"/built/*.tar.gz
wheel=$(echo "$work"/built/*.whl)

install_torch
cd "$work/empty"
say "the layer, without fairseq"
install --no-deps "$wheel"
! "$python" -c 'import fairseq' 2> /dev/null || fail "fairseq is there already"
sed -n '/^```python$/,/^```$/{/^```/!p;}' "$checkout/README.md" > example.py
left example.py
run log "$python" example.py
"$python" -m pip uninstall -qq --yes moe_nmt

(cd "$checkout" && build_fairseq "$work/wheels")
say "$(basename "$wheel") and what it requires"
install --find-links "$work/wheels" "$wheel"

say "moe-nmt-prepare"
run log "$python" "$checkout/data/embedded/generate.py" text --train 600 --valid 50 --test 61
run log moe-nmt-prepare --train text/train.en text/train.de --valid text/valid.en text/valid.de \
    --test text/test.en text/test.de --vocabulary 300 --max-ratio 9 --destdir prepared
left prepared/binarised/{dict.en.txt,{train,valid,test}.en-de.de.idx}
run log bash -c '! moe-nmt-prepare --corpora none --valid-sets wmt12 --languages en de --destdir none'
grep -q 'one of .*wmt14_europarl' log || fail "the descriptions of corpora are not found"

plugin=(--user-dir moe_nmt --task expert_parallel_translation --cpu --num-workers 0)
train=(
    fairseq-train prepared/binarised "${plugin[@]}" --arch gnmt_moe_tiny --model-dim 32
    --lstm-cells 32 --attention-dim 32 --expert-hidden 32 --experts 4 --max-tokens 1000
    --criterion balanced_cross_entropy --optimizer fused_adam --lr 0.01 --max-update 20
)
say "fairseq-train, workers: 1"
run log "${train[@]}" --save-dir trained1
say "fairseq-train, workers: 2"
run log "${train[@]}" --save-dir trained2 --distributed-world-size 2 --sharded-checkpoints
left trained{1,2}/checkpoint_last.pt

say "moe-nmt-consolidate, -average, -inspect, -plan"
run log moe-nmt-consolidate trained2/checkpoint_last.pt --output whole.pt
run log moe-nmt-average trained1/checkpoint_last.pt whole.pt --output averaged.pt
left whole.pt averaged.pt
run log moe-nmt-extend averaged.pt --data prepared/binarised --output extended.pt
left extended.pt
run log moe-nmt-inspect averaged.pt prepared/binarised
grep -q decoder log || fail "moe-nmt-inspect tells of no decoder"
run log moe-nmt-plan
grep -q gnmt_moe_2048h log || fail "moe-nmt-plan does not tell of all architectures"

say "fairseq-generate, -interactive, -validate"
search=(--path averaged.pt --beam 4 --max-len-b 20)
run log fairseq-generate prepared/binarised "${plugin[@]}" "${search[@]}" --gen-subset test \
    --nbest 4 --print-alignment soft --results-path .
left generate-test.txt
run log fairseq-interactive prepared/binarised "${plugin[@]}" "${search[@]}" \
    < <(head -n 1 prepared/pieces/test.en)
grep -q ^H-0 log || fail "fairseq-interactive translated nothing"
run log fairseq-validate prepared/binarised "${plugin[@]}" --path averaged.pt --max-tokens 1000
grep -q 'valid.* | ppl' log || fail "fairseq-validate tells of no perplexity"

say "moe-nmt-subword, -score, -tune"
run log moe-nmt-subword text --input generate-test.txt --source text/test.en --output hypothesis.de
run score moe-nmt-score --reference text/test.de hypothesis.de
run tuned moe-nmt-tune generate-test.txt --reference text/test.de
grep -q BLEU score && grep -q BLEU tuned || fail "moe-nmt-score or -tune tells of no BLEU"

say "moe-nmt-pack, -translate, -serve"
run log moe-nmt-pack averaged.pt --output model
run log moe-nmt-translate model --max-len-a 0 --max-len-b 20 < text/test.en
[[ $(wc -l < log) = 61 ]] || fail "moe-nmt-translate wrote $(wc -l < log) lines for 61"
! moe-nmt-serve model > log 2>&1 || fail "moe-nmt-serve runs without its packages"
grep -q 'pip install' log || fail "moe-nmt-serve does not name its packages"
install starlette uvicorn
moe-nmt-serve model --port 0 > log 2>&1 &
trap 'kill %1 2> /dev/null; rm -rf "$work"' EXIT
until grep -q listening log; do sleep 1; done
"$python" -c "import sys, urllib.request; print(urllib.request.urlopen(sys.argv[1]).read())" \
    "$(sed 's/.* //' log)/page.js" > page
grep -q translate page || fail "moe-nmt-serve has no page"
kill %1

for workers in 1 2; do
    say "fairseq-hydra-train, workers: $workers"
    run log fairseq-hydra-train --config-dir "$("$python" -m moe_nmt configs)" \
        --config-name gnmt_moe_tiny task.data="$PWD/prepared/binarised" task.precision=fp32 \
        model.model_dim=32 model.lstm_cells=32 common.cpu=true optimization.max_update=3 \
        distributed_training.distributed_world_size=$workers \
        checkpoint.save_dir="$PWD/hydra$workers"
    left hydra$workers/checkpoint_last.pt
done

say "done: the package works where there is no checkout"
