"""moe-nmt-score on files by hand, beside sacreBLEU's command, and on a model's output."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from commands import PLUGIN, SHORT, SIZES, run, run_here, usage_error

from moe_nmt.cli.score import main

REFERENCE = [f"Das ist der {n}. Satz, „Nummer-{n}“ von allen." for n in range(30)]
HYPOTHESIS = [
    line.replace("Satz", "Zettel") if n % 3 else f"{line}\u00a0 "
    for n, line in enumerate(REFERENCE)
]
WORSE = [line.replace("von allen", "aller\u2028") for line in HYPOTHESIS]


def write(path: Path, lines: list[str]) -> Path:
    path.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
    return path


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The working folder with a reference and two systems."""
    monkeypatch.chdir(tmp_path)
    write(Path("ref"), REFERENCE)
    write(Path("hyp"), HYPOTHESIS)
    write(Path("worse"), WORSE)
    return tmp_path


Score = Callable[[str], str]


@pytest.fixture
def score(folder: Path, capsys: pytest.CaptureFixture[str]) -> Score:
    """Runs the command; gives back what it printed."""

    def printed(arguments: str) -> str:
        main(arguments.split())
        return capsys.readouterr().out

    return printed


def figures(table: str, row: str) -> list[str]:
    """The cells of a row."""
    (line,) = (line for line in table.splitlines() if re.match(rf"{re.escape(row)}  +[\d.-]", line))
    return re.split("  +", line)[1:]


@pytest.mark.parametrize("lowercase", [[], ["--lowercase"]])
def test_figures_are_those_of_sacrebleus_command(
    lowercase: list[str], folder: Path, score: Score
) -> None:
    table = score(" ".join(["--reference ref --reference hyp worse", *lowercase]))
    command = ["sacrebleu", "ref", "hyp", "--input", "worse", "--metrics", "bleu", "chrf"]
    options = ["--chrf-lowercase", *lowercase] if lowercase else []
    done = run(*command, "--format", "text", "--width", 2, *options, cwd=folder)
    bleu, chrf = done.stdout.splitlines()
    ((signature, value),) = re.findall(r"BLEU\|(\S+) = ([\d.]+) ", bleu)
    assert figures(table, "sacreBLEU") == [value]
    assert f"sacreBLEU   {signature}\n" in table
    ((signature, value),) = re.findall(r"chrF2\|(\S+) = ([\d.]+)", chrf)
    assert figures(table, "chrF2") == [value]
    assert f"chrF2       {signature}\n" in table


def test_german_has_compounds_split(score: Score) -> None:
    assert "compounds split" not in score("--reference ref hyp")
    table = score("--reference ref hyp --language de")
    assert figures(table, "multi-bleu") < figures(table, "multi-bleu, compounds split")


def test_seeds_have_a_mean_and_a_deviation(folder: Path, score: Score) -> None:
    one = float(figures(score("--reference ref hyp"), "chrF2")[0])
    other = float(figures(score("--reference ref worse"), "chrF2")[0])
    table = score("--reference ref --system both hyp worse --system one hyp --json out/f.json")
    assert table.splitlines()[0].split() == ["both", "one"]
    ((mean, deviation),) = re.findall(r"(\S+) ± (\S+) \(2\)", figures(table, "chrF2")[0])
    assert float(mean) == pytest.approx((one + other) / 2, abs=0.011)
    assert float(deviation) == pytest.approx(abs(one - other) / 2**0.5, abs=0.011)
    assert figures(table, "chrF2")[1] == f"{one:.2f}"
    found = json.loads(Path("out/f.json").read_text(encoding="utf-8"))
    assert found["sentences"] == 30
    assert found["references"] == ["ref"]
    rows = [(row["system"], row["measure"], len(row["values"])) for row in found["scores"]]
    assert rows == [
        (system, measure, runs)
        for system, runs in (("both", 2), ("one", 1))
        for measure in ("multi-bleu", "sacreBLEU", "chrF2")
    ]
    assert f"{found['scores'][2]['mean']:.2f}" == mean
    assert found["scores"][0]["lines"][0].startswith("BLEU = ")
    assert found["significance"] is None


def test_significance_is_that_of_sacrebleus_command(folder: Path, score: Score) -> None:
    table = score("--reference ref hyp worse --significance --samples 50 --trials 60 --json f")
    command = ["sacrebleu", "ref", "--input", "hyp", "worse", "--metrics", "bleu", "chrf"]
    for option, count in (("bs", 50), ("ar", 60)):
        test = f"--paired-{option}"
        done = run(*command, test, f"{test}-n", count, "--format", "text", "-w", 2, cwd=folder)
        values = re.findall(r"p = ([\d.]+)", done.stdout)
        comparisons = json.loads(Path("f").read_text(encoding="utf-8"))["significance"]
        key = "p_bootstrap" if option == "bs" else "p_randomisation"
        found = [c[key] for c in comparisons["comparisons"] if c["system"] == "worse"]
        assert [f"{value:.4f}" for value in found] == values
        assert f"{option}:{count}|seed:12345" in table
    assert re.search(r"^worse  BLEU .* 30 .* 0\.\d+\*? +0\.\d+\*?$", table, re.MULTILINE)


def test_tokenized_files_have_multi_bleu_alone(score: Score) -> None:
    tokens = ["Das ist gut .", "Nein , die Web-Seite .", "Ja , so ist es ."]
    write(Path("ref.tok"), tokens)
    write(Path("hyp.tok"), [tokens[0], "Nein , die Netz-Seite .", tokens[2]])
    table = score("--reference ref.tok hyp.tok --tokenizer none --language de")
    # Wrong are 1 of 15 words, 2 of 12 pairs, 2 of 9, 2 of 6; of the compound's parts the first.
    assert "BLEU = 79.69, 93.3/83.3/77.8/66.7 (BP=1.000, ratio=1.000, hyp_len=15" in table
    assert "compounds split  BLEU = 73.59, 94.1/85.7/72.7/50.0 (BP=1.000" in table
    assert "sacreBLEU" not in table
    write(Path("hyp"), REFERENCE[:3])
    with pytest.raises(SystemExit, match=r"hyp.tok looks tokenised, and sacreBLEU is for text"):
        score("--reference hyp hyp.tok")
    with pytest.raises(SystemExit, match=r"ref.tok looks tokenised, and sacreBLEU is for text"):
        score("--reference ref.tok hyp")
    with pytest.raises(SystemExit, match=r"ref.tok looks tokenised and hyp does not"):
        score("--reference ref.tok hyp --tokenizer none")


def test_comet_reads_a_local_model(
    folder: Path, score: Score, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A stand-in for the package, with the functions of unbabel-comet 2.2 that are called."""
    package = folder / "packages" / "comet"
    package.mkdir(parents=True)
    (package / "__init__.py").write_text(
        "from types import SimpleNamespace\n"
        "def load_from_checkpoint(path, local_files_only):\n"
        "    assert local_files_only and path.endswith('wmt22/checkpoints/model.ckpt')\n"
        "    return Model()\n"
        "class Model:\n"
        "    def predict(self, samples, gpus):\n"
        "        right = [s['mt'] == s['ref'] for s in samples if s['src'].startswith('This')]\n"
        "        return SimpleNamespace(system_score=sum(right) / len(right))\n"
    )
    metadata = folder / "packages" / "unbabel_comet-2.2.7.dist-info"
    metadata.mkdir()
    (metadata / "METADATA").write_text(
        "Metadata-Version: 2.1\nName: unbabel-comet\nVersion: 2.2.7\n"
    )
    write(Path("src"), ["This is a sentence."] * 30)
    write(Path("half"), [*REFERENCE[:15], *["Nein."] * 15])
    with pytest.raises(SystemExit, match=r"--comet wmt22 holds no checkpoints/model.ckpt"):
        score("--reference ref half --comet wmt22 --source src")
    (folder / "wmt22" / "checkpoints").mkdir(parents=True)
    (folder / "wmt22" / "checkpoints" / "model.ckpt").touch()
    monkeypatch.setitem(sys.modules, "comet", None)
    with pytest.raises(SystemExit, match="needs the package unbabel-comet: pip install"):
        score("--reference ref half --comet wmt22 --source src")
    monkeypatch.delitem(sys.modules, "comet")
    monkeypatch.syspath_prepend(str(folder / "packages"))
    table = score("--reference ref half --comet wmt22 --source src")
    assert figures(table, "COMET") == ["50.00"]
    assert "model:wmt22|unbabel-comet:2.2.7" in table
    write(Path("src"), ["This"])
    with pytest.raises(SystemExit, match="src has 1 lines but ref has 30"):
        score("--reference ref half --comet wmt22 --source src")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ("--reference ref", "name a FILE of translations"),
        ("hyp", "the following arguments are required: --reference"),
        ("--reference ref --system a", "--system a names no FILE"),
        ("--reference ref hyp hyp", "two systems have the same name"),
        ("--reference ref hyp worse --forced a", "2 systems but 1 --forced"),
        ("--reference ref hyp --comet a", "--comet and --source belong together"),
        ("--reference ref hyp --significance", "compares two or more systems of one FILE each"),
        ("--reference ref hyp --system a worse hyp --significance", "of one FILE each"),
        ("--reference ref hyp worse --significance --trials 0", "must be from 1 to"),
        ("--reference ref hyp worse --significance --samples 1000000000000", "must be from 1 to"),
        ("--reference ref hyp worse --significance --tokenizer none", "for multi-bleu alone"),
        ("--reference ref hyp --tokenizer words", "invalid choice: 'words'"),
    ],
)
def test_wrong_options(
    arguments: str, message: str, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert message in usage_error(main, arguments, capsys)


def test_bad_files_print_no_figure_and_write_nothing(
    folder: Path, score: Score, capsys: pytest.CaptureFixture[str]
) -> None:
    write(Path("short"), HYPOTHESIS[:-1])
    write(Path("pieces"), ["▁Das ▁ist"] * 30)
    Path("latin1").write_bytes("Öl\n".encode("latin-1") * 30)
    Path("nothing").touch()
    Path("results").mkdir()
    for name, message in {
        "short": "short has 29 lines but ref has 30: they are not of the same sentences",
        "pieces": "pieces has subwords left in, first in line 1",
        "latin1": "line 1 of latin1 is not UTF-8",
        "nothing": "nothing is empty",
        "absent": "cannot read absent",
        "results": "results holds no generate-SPLIT.txt: name one file",
    }.items():
        with pytest.raises(SystemExit) as stop:
            score(f"--reference ref hyp {name} --json figures.json")
        assert str(stop.value.code).startswith("moe_nmt: ")
        assert message in str(stop.value.code)
        assert "\n" not in str(stop.value.code)
        assert not Path("figures.json").exists()
    assert capsys.readouterr().out == ""
    with pytest.raises(SystemExit, match="pieces has subwords left in"):
        score("--reference pieces hyp")
    with pytest.raises(SystemExit, match="short has 29 lines but ref has 30"):
        score("--reference ref --reference short hyp")


@pytest.fixture(scope="module")
def results(
    binarised: Path, checkpoint: Path, tmp_path_factory: pytest.TempPathFactory
) -> dict[str, Path]:
    """Folders of fairseq-generate's: translations, and the references read by the model."""
    folder = tmp_path_factory.mktemp("results")
    options = {"search": ["--beam", 2, *SHORT], "forced": ["--score-reference"]}
    for name, chosen in options.items():
        results_path = ["--path", checkpoint, "--results-path", folder / name]
        run_here("generate", binarised, *PLUGIN, *results_path, *chosen)
    return {name: folder / name for name in options}


def test_a_models_output(
    results: dict[str, Path], binarised: Path, checkpoint: Path, corpus: Path, tmp_path: Path
) -> None:
    """The command as a user starts it; perplexity is that of fairseq-validate."""
    reference = corpus / "test.de"
    done = run(
        *("python", "-m", "moe_nmt.cli.score", "--reference", reference),
        *("--system", "small", results["search"], "--forced", results["forced"]),
    )
    assert done.returncode == 0, done.stderr
    validate = ["--path", checkpoint, "--valid-subset", "test", "--max-tokens", 300]
    validated = run("fairseq-validate", binarised, *PLUGIN, *validate)
    (perplexity,) = re.findall(r"on 'test' subset .* ppl ([\d.]+) ", validated.stdout)
    (found,) = figures(done.stdout, "perplexity per subword")
    assert float(found) == pytest.approx(float(perplexity), abs=0.011, rel=0.001)
    # Here a subword is a word: the same perplexity, but for words that follow two spaces.
    assert figures(done.stdout, "perplexity per word") == [found]

    text = tmp_path / "hypothesis.de"
    source = ["--source", corpus / "test.en", "--output", text]
    generated = results["search"] / "generate-test.txt"
    done_text = run("moe-nmt-subword", "text", "--input", generated, *source)
    assert done_text.returncode == 0, done_text.stderr
    bleu = run("sacrebleu", reference, "--input", text, "--score-only", "--width", 2)
    assert figures(done.stdout, "sacreBLEU") == [bleu.stdout.strip()]


def test_a_search_has_no_perplexity(results: dict[str, Path], corpus: Path) -> None:
    options = ["--reference", corpus / "test.de", results["search"], "--forced", results["search"]]
    with pytest.raises(SystemExit, match="holds translations, whose probabilities are no perpl"):
        main([*map(str, options)])


def test_another_sets_reference_is_refused(
    results: dict[str, Path], corpus: Path, tmp_path: Path
) -> None:
    with pytest.raises(SystemExit) as stop:
        main(["--reference", str(corpus / "valid.de"), str(results["search"])])
    assert str(stop.value.code) == (
        f"moe_nmt: {results['search']}/generate-test.txt has translations of {SIZES['test']} "
        f"sentences but {corpus}/valid.de has {SIZES['valid']} lines: "
        "translate the whole of that file again"
    )
    shifted = (corpus / "test.de").read_text(encoding="utf-8").splitlines()
    other = write(tmp_path / "other.de", [*shifted[1:], shifted[0]])
    for options in ([results["search"]], [other, "--forced", results["forced"]]):
        with pytest.raises(SystemExit, match="the references that fairseq read are others"):
            main(["--reference", str(other), *map(str, options)])
