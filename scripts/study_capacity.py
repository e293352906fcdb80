"""Do more experts help at equal operations?  Figures 2 and 3 and Table 7 again, on your text.

    python scripts/study_capacity.py language DATA --out FOLDER [--domains FILE]
    python scripts/study_capacity.py translation DATA --out FOLDER --reference FILE [...]

DATA is a folder binarised by moe-nmt-prepare.  Every variant is trained with every seed, in a
folder of its own; what is done is not done again, what was interrupted goes on.  Everything is
measured on DATA's test set.  The tables, in Markdown, are also in FOLDER/TASK.md, and the figures
of every run in FOLDER/TASK.json or the file of --json; runs that this file has already, of earlier
times, are kept.
"""

from __future__ import annotations

import argparse
import json
import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from fairseq.data import Dictionary

from moe_nmt.errors import UserError, ending_in_a_sentence
from moe_nmt.evaluation.significance import compare
from moe_nmt.files.stages import Stage, Stages
from moe_nmt.files.text import read_text, write_lines
from moe_nmt.insight.capacity_measures import Domains, measure, qualities, test_set, translate
from moe_nmt.insight.capacity_report import tables
from moe_nmt.insight.capacity_study import DENSE, TASKS, Run, sized, variants
from moe_nmt.insight.training_run import CHECKPOINT, LOG, Schedule, curve

RESULT = Path("result.json")
QUICK = Schedule(updates=10, tokens=600, lr=0.01, validations=5)
QUICK_VARIANTS = (DENSE, "16", "256h")


def dictionary_size(data: Path) -> int:
    """Words of a data folder."""
    paths = sorted(data.glob("dict*.txt"))
    if not paths:
        raise UserError(f"{data} is not a folder made by moe-nmt-prepare: it has no dictionary")
    return len(Dictionary.load(str(paths[0])))


class Study:
    """The runs of one task and where they are kept."""

    def __init__(self, args: argparse.Namespace) -> None:
        self.task: str = args.task
        self.data: Path = args.data.resolve()
        self.out: Path = args.out
        self.domains: Path | None = args.domains
        self.reference: Path | None = args.reference
        self.vocabulary = dictionary_size(self.data)
        self.schedule = Schedule(args.updates, args.max_tokens, args.lr, validations=5)
        names = args.variants or list(variants(TASKS[self.task]))
        if args.quick:
            self.schedule, names = QUICK, list(args.variants or QUICK_VARIANTS)
        self.runs = [Run(self.task, name, seed) for seed in args.seeds for name in names]

    def perform(self, run: Run) -> dict[str, Any]:
        """Trains and measures, unless that is done: the record of a run."""
        folder, model = self.out / run.name, sized(run.task, run.variant, self.vocabulary)
        run.train(folder, self.data, model, self.schedule)
        translations = translate(folder, self.data) if self.reference else []
        used = [*test_set(self.data), *(p for p in (self.domains, self.reference) if p)]
        stage = Stage(
            name="measure",
            recipe={"task": run.task, "data": str(self.data)},
            inputs={path.name: path for path in (folder / CHECKPOINT, *used)},
            outputs=[RESULT],
        )

        def action() -> None:
            record = {
                **vars(run),
                **model._asdict(),
                "schedule": vars(self.schedule),
                "curve": [point._asdict() for point in curve(folder / LOG)],
                "test": measure(folder, self.data, self.domains),
            }
            if self.reference is not None:
                reference = [*read_text(self.reference)]
                domains = Domains.read(self.domains, len(reference))
                record["quality"] = qualities(translations, reference, domains)
            write_lines(folder / RESULT, [json.dumps(record, indent=1)])

        with Stages(folder) as stages:
            stages.run(stage, action)
        found: dict[str, Any] = json.loads((folder / RESULT).read_text(encoding="utf-8"))
        return found

    def test_significance(self, records: Sequence[dict[str, Any]]) -> None:
        """Adds p of the paired bootstrap against the dense model of the same seed, in BLEU."""
        if self.reference is None:
            return
        reference = [*read_text(self.reference)]
        translations = {
            (run.variant, run.seed): translate(self.out / run.name, self.data) for run in self.runs
        }
        for record in records:
            baseline = translations.get((DENSE, record["seed"]))
            record["p"] = None
            if baseline is not None and record["variant"] != DENSE:
                mine = translations[record["variant"], record["seed"]]
                systems = [(DENSE, baseline), (record["variant"], mine)]
                found = compare(systems, [reference], lowercase=False, samples=1000, trials=1)
                record["p"] = found.comparisons[1].p_bootstrap


def recorded(path: Path, study: Study) -> list[dict[str, Any]]:
    """The records of earlier times that a file has.

    Raises:
        UserError: they are of another task or schedule.
    """
    old: list[dict[str, Any]] = json.loads(path.read_text("utf-8")) if path.exists() else []
    for record in old:
        if (record["task"], record["schedule"]) != (study.task, vars(study.schedule)):
            raise UserError(
                f"{path} has runs of another task or schedule: give another file to --json"
            )
    return old


def merged(
    task: str, old: Sequence[dict[str, Any]], new: Sequence[dict[str, Any]]
) -> list[dict[str, Any]]:
    """Old records and new ones, which are in place of those of the same runs."""
    found = {(record["variant"], record["seed"]): record for record in (*old, *new)}
    order = list(variants(TASKS[task]))
    return sorted(found.values(), key=lambda r: (order.index(r["variant"]), r["seed"]))


@ending_in_a_sentence()
def main() -> None:
    """Runs the command."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("task", choices=list(TASKS))
    parser.add_argument("data", type=Path)
    parser.add_argument("--out", type=Path, required=True, help="where the runs are kept")
    parser.add_argument("--domains", type=Path, help="the domain of each sentence of the test set")
    parser.add_argument("--reference", type=Path, help="the test set's translations, raw text")
    names = list(variants(TASKS["language"]))
    parser.add_argument("--variants", nargs="+", choices=names, help="default: all of them")
    parser.add_argument("--seeds", type=int, nargs="+", default=[1, 2, 3])
    parser.add_argument("--updates", type=int, default=2000, help="of each run (default: 2000)")
    parser.add_argument("--max-tokens", type=int, default=4000, help="of a batch (default: 4000)")
    parser.add_argument("--lr", type=float, default=0.01, help="highest rate (default: 0.01)")
    parser.add_argument("--jobs", type=int, default=1, help="runs at a time, one core each")
    parser.add_argument("--quick", action="store_true", help="ten updates of three variants")
    parser.add_argument("--json", type=Path, help="default: FOLDER/TASK.json")
    args = parser.parse_args()
    if (args.task == "translation") != bool(args.reference):
        parser.error("--reference is needed for translation, and for it alone")
    if min(args.updates, args.max_tokens, args.jobs) < 1:
        parser.error("--updates, --max-tokens and --jobs must be at least 1")
    os.environ["OMP_NUM_THREADS"] = "1"  # of fairseq-train
    study = Study(args)
    path = args.json or args.out / f"{args.task}.json"
    old = recorded(path, study)  # before hours of training
    with ThreadPoolExecutor(args.jobs) as pool:
        records = list(pool.map(study.perform, study.runs))
    study.test_significance(records)
    everything = merged(study.task, old, records)
    write_lines(path, [json.dumps(everything, indent=1)])
    text = tables(everything)
    write_lines(args.out / f"{args.task}.md", [text])
    print(f"\n{text}")


if __name__ == "__main__":
    main()
