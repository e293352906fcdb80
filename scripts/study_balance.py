"""Table 6 on your data: perplexity and balance without, with one and with both balancing losses.

    python scripts/study_balance.py DATA --out FOLDER [--updates 1000] [--seeds 1 2 3] [--json FILE]

DATA is a folder made by fairseq-preprocess --joined-dictionary.  Six settings are trained with each
seed, with noisy top-k gates; a run that is finished is not run again, one that was interrupted goes
on.  Everything is measured on DATA's validation set: perplexity without noise, balance without
and with the noise of training.  The tables, in Markdown, are also in FOLDER/balance.md.
"""

from __future__ import annotations

import argparse
import json
import os
from pathlib import Path

from moe_nmt.errors import ending_in_a_sentence
from moe_nmt.files.text import write_lines
from moe_nmt.insight.balance_study import SETTINGS, Training, measure, records, tables
from moe_nmt.insight.held_out import load
from moe_nmt.models.architectures import TRANSLATION_MODELS

WITH_MIXTURES = [name for name in TRANSLATION_MODELS if name != "gnmt_dense"]


@ending_in_a_sentence()
def main() -> None:
    """Runs the command."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("data", type=Path)
    parser.add_argument("--out", type=Path, required=True, help="where the runs are kept")
    parser.add_argument("--arch", default="gnmt_moe_tiny", choices=WITH_MIXTURES)
    parser.add_argument("--updates", type=int, default=1000, help="of each run (default: 1000)")
    parser.add_argument("--seeds", type=int, nargs="+", default=[1, 2, 3])
    parser.add_argument("--threads", type=int, default=os.cpu_count(), help="of a run")
    parser.add_argument("--json", type=Path, help="write the figures of every run here too")
    args = parser.parse_args()
    data = args.data.resolve()
    if not any(data.glob("dict.*.txt")):
        parser.error(
            f"{args.data} is not a folder made by fairseq-preprocess: it has no dictionary"
        )
    if args.updates < 1 or args.threads < 1:
        parser.error("--updates and --threads must be at least 1")
    as_json = args.json.resolve() if args.json else None
    os.environ["OMP_NUM_THREADS"] = str(args.threads)  # of fairseq-train
    args.out.mkdir(parents=True, exist_ok=True)
    os.chdir(args.out)

    without_noise, with_noise = {}, {}
    for setting in SETTINGS:
        for seed in args.seeds:
            training = Training(setting, seed)
            training.run(data, args.arch, args.updates)
            model, batches = load(training.checkpoint, data, "valid", max_tokens=4000)
            without_noise[training], with_noise[training] = measure(model, batches, seed)

    lines = [
        *("Balance without noise", "", tables(without_noise), ""),
        *("Balance with the noise of training", "", tables(with_noise)),
    ]
    write_lines(Path("balance.md"), lines)
    print("\n".join(["", *lines]))
    if as_json:
        figures = {
            **{"arch": args.arch, "updates": args.updates, "data": data.name},
            "without_noise": records(without_noise),
            "with_noise": records(with_noise),
        }
        write_lines(as_json, [json.dumps(figures, indent=1)])


if __name__ == "__main__":
    main()
