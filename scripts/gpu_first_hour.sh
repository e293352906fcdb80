#!/usr/bin/env bash
# Everything to try and to measure when a GPU is at hand, in the order of worth.
#
#     scripts/gpu_first_hour.sh FOLDER
#
# Each part leaves its log and its figures in FOLDER; one that is done is not done again. At the end
# FOLDER/figures.json holds the figures of all.
set -u
cd "$(dirname "$0")/.."
folder=${1:?usage: scripts/gpu_first_hour.sh FOLDER}
python=${PYTHON:-python3}
"$python" -c 'import torch; assert torch.cuda.is_available()' 2> /dev/null || {
    echo "gpu_first_hour.sh: torch sees no GPU here" >&2
    exit 1
}
mkdir -p "$folder" || exit 1
failed=0

part() { # NAME COMMAND...: runs a command that writes its figures to FOLDER/NAME.json.part
    local name=$1
    shift
    if [ -e "$folder/$name.json" ]; then
        echo "$name: done before"
    elif "$@" > "$folder/$name.log" 2>&1; then
        mv "$folder/$name.json.part" "$folder/$name.json"
        echo "$name: done"
    else
        echo "$name: failed, see $folder/$name.log" >&2
        tail -3 "$folder/$name.log" >&2
        failed=1
    fi
}

tests() { # FIGURES
    "$python" -m pytest -q -p no:cacheprovider -m cuda tests/gpu --junitxml="$folder/tests.xml" || return 1
    "$python" - "$folder/tests.xml" > "$1" << 'P'
import json, sys
from xml.etree import ElementTree
(suite,) = ElementTree.parse(sys.argv[1]).getroot()
print(json.dumps({name: int(suite.get(name)) for name in ("tests", "skipped", "failures")}))
P
}

step() { # FIGURES ARCHITECTURES AND OPTIONS
    local figures=$1
    shift
    "$python" scripts/benchmark_step.py --device cuda --json "$figures" "$@"
}

layer() { # FIGURES OPTIONS
    local figures=$1
    shift
    "$python" scripts/benchmark_layer.py --device cuda --tokens 16384 --dim 512 --hidden 1024 \
        --experts 4 32 256 1024 2048 --patience 3 --json "$figures" "$@"
}

part tests tests "$folder/tests.json.part"
part step step "$folder/step.json.part" gnmt_moe_multi30k gnmt_moe_32 --precision fp32 bf16
part large_step step "$folder/large_step.json.part" gnmt_dense gnmt_moe_32 gnmt_moe_512h \
    --precision bf16 --sentences 512
# the paper's largest translation model, 8.7 billion parameters, on one card of 80 GB
part 2048h step "$folder/2048h.json.part" gnmt_moe_2048h --precision bf16 --sentences 512 \
    --optimizer factored_experts --update-experts-in-backward --model experts_precision=bf16 --steps 3
part layer_bf16 layer "$folder/layer_bf16.json.part" --dtype bfloat16
part layer_fp32 layer "$folder/layer_fp32.json.part" --dtype float32

"$python" - "$folder" > "$folder/figures.json.part" << 'P' && mv "$folder/figures.json.part" "$folder/figures.json"
import json, pathlib, sys
parts = sorted(pathlib.Path(sys.argv[1]).glob("*.json"))
figures = {part.stem: json.loads(part.read_text()) for part in parts if part.stem != "figures"}
print(json.dumps(figures, indent=1))
P
exit $failed
