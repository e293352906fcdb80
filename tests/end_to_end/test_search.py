"""The search through fairseq's commands: what their lines say is what the model computes."""

from __future__ import annotations

import math
import shutil
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest
import torch
from commands import PLUGIN, SHORT, SIZES, hypotheses, run_here, train_here

ALPHA, BETA = 0.6, 0.4
PENALTIES = ["--length-penalty-alpha", ALPHA, "--coverage-penalty-beta", BETA]
FIRST = 12  # sentences of the test set that are typed in


class Lines(NamedTuple):
    """What a command printed of one hypothesis, in base e."""

    sentence: int
    text: str
    score: float
    log_p: list[float]
    alignment: str


def parse(output: str) -> Iterator[Lines]:
    """Reads H-, P- and A-lines."""
    found: dict[str, str] = {}
    number = ""
    for line in [*output.splitlines(), "H-\t0\t"]:
        kind, _, rest = line.partition("-")
        if kind == "H" and found:
            score, _, text = found["H"].partition("\t")
            log_p = [float(p) * math.log(2) for p in found["P"].split()]
            score_e = float(score) * math.log(2)
            yield Lines(int(number), text, score_e, log_p, found.get("A", ""))
        if kind in {"H", "P", "A"}:
            number, _, found[kind] = rest.partition("\t")


def generate(data: Path, checkpoint: object, *options: object) -> str:
    command = [data, *PLUGIN, "--path", checkpoint, "--beam", 3, *SHORT, *options]
    return run_here("generate", *command)


@pytest.fixture
def typed(corpus: Path, tmp_path: Path) -> Path:
    """The first sentences of the test set, with words nobody knows."""
    lines = (corpus / "test.en").read_text().splitlines()[:FIRST]
    path = tmp_path / "typed.en"
    lines[1::3] = ["Xaxaxa mlö Tlön"] * len(lines[1::3])
    path.write_text("".join(f"{line}\n" for line in lines))
    return path


def interactive(data: Path, checkpoint: object, text: Path, *options: object) -> str:
    command = [data, *PLUGIN, "--path", checkpoint, "--beam", 3, *SHORT, "--input", text]
    return run_here("interactive", *command, "--buffer-size", 5, "--batch-size", 5, *options)


@pytest.mark.parametrize("models", [1, 2])
def test_scores_follow_from_the_printed_probabilities_and_attention(
    binarised: Path, checkpoint: Path, tmp_path: Path, models: int
) -> None:
    """Everything that rescoring an n-best list needs is in generate's output."""
    paths = [checkpoint]
    if models == 2:
        other = torch.load(checkpoint)
        for weight in other["model"].values():
            weight.mul_(1.1)
        paths.append(tmp_path / "other.pt")
        torch.save(other, paths[1])
    options = [*PENALTIES, "--nbest", 3, "--print-alignment", "soft"]
    output = generate(binarised, ":".join(map(str, paths)), *options)
    found = list(parse(output))
    assert {lines.sentence for lines in found} == set(range(SIZES["test"]))
    assert len(found) > 2 * SIZES["test"]
    sources = dict(line[2:].split("\t") for line in output.splitlines() if line.startswith("S-"))
    scores: dict[int, list[float]] = {}
    for lines in found:
        attention = [[float(p) for p in row.split(",")] for row in lines.alignment.split()]
        length = len(lines.text.split()) + 1
        assert len(lines.log_p) == len(attention) == length
        assert {len(row) for row in attention} == {len(sources[str(lines.sentence)].split()) + 1}
        covered = [min(sum(column), 1) for column in zip(*attention, strict=True)]
        score = sum(lines.log_p) / ((5 + length) / 6) ** ALPHA
        score += BETA * sum(map(math.log, covered))
        assert lines.score == pytest.approx(score, abs=0.003)
        scores.setdefault(lines.sentence, []).append(lines.score)
    assert all(nbest == sorted(nbest, reverse=True) for nbest in scores.values())


def test_the_penalties_change_what_wins(binarised: Path, checkpoint: Path) -> None:
    without = ["--length-penalty-alpha", 0, "--coverage-penalty-beta", 0]
    by_log_p = list(parse(generate(binarised, checkpoint, *without)))
    assert all(lines.score == pytest.approx(sum(lines.log_p), abs=0.003) for lines in by_log_p)
    long = list(parse(generate(binarised, checkpoint, "--length-penalty-alpha", 2)))
    short_words, long_words = (sum(len(x.text.split()) for x in y) for y in (by_log_p, long))
    assert long_words > short_words


def test_pruning_costs_little(binarised: Path, checkpoint: Path) -> None:
    def total(*options: object) -> float:
        return sum(lines.score for lines in parse(generate(binarised, checkpoint, *options)))

    best = total("--token-pruning", "inf", "--hypothesis-pruning", "inf")
    assert abs(total() - best) < 3
    assert total("--token-pruning", 0) < best - 3  # the likeliest word, always


def test_translations_begin_as_the_reference_does(binarised: Path, checkpoint: Path) -> None:
    output = generate(binarised, checkpoint, "--prefix-size", 2)
    references = dict(line[2:].split("\t") for line in output.splitlines() if line[:2] == "T-")
    for lines in parse(output):
        reference = references[str(lines.sentence)].replace("<<unk>>", "<unk>")
        assert lines.text.split()[:2] == reference.split()[:2]


def test_references_get_their_scores(binarised: Path, checkpoint: Path) -> None:
    found = list(parse(generate(binarised, checkpoint, "--score-reference", *PENALTIES)))
    forced = list(parse(generate(binarised, checkpoint, "--prefix-size", 100, *PENALTIES)))
    assert found == forced
    assert len(found) == SIZES["test"]


def test_interactive_aligns_words(binarised: Path, checkpoint: Path, typed: Path) -> None:
    output = interactive(binarised, checkpoint, typed, "--print-alignment", "hard")
    sources = typed.read_text().splitlines()
    for lines in parse(output):
        pairs = [tuple(map(int, pair.split("-"))) for pair in lines.alignment.split()]
        assert [target for _, target in pairs] == list(range(len(lines.text.split())))
        assert all(source < len(sources[lines.sentence].split()) for source, _ in pairs)


@pytest.fixture
def forgetful(binarised: Path, checkpoint: Path, tmp_path: Path) -> Path:
    """A checkpoint that says <unk> where it would say its most frequent word."""
    said = " ".join(hypotheses(generate(binarised, checkpoint)).values()).split()
    word, _ = Counter(said).most_common(1)[0]
    lines = (binarised / "dict.de.txt").read_text().splitlines()
    number = 4 + [line.split()[0] for line in lines].index(word)
    state = torch.load(checkpoint)
    for name, weight in state["model"].items():
        if "embedding" in name:
            weight[3] = 1.2 * weight[number]
    torch.save(state, tmp_path / "forgetful.pt")
    return tmp_path / "forgetful.pt"


def replaced(lines: Lines, source: str, translations: dict[str, str]) -> str:
    """A hypothesis whose unknown words are those of the source that are aligned to them."""
    words, pairs = lines.text.split(), lines.alignment.split()
    for position, (word, pair) in enumerate(zip(words, pairs, strict=True)):
        if word == "<unk>":
            copied = source.split()[int(pair.split("-")[0])]
            words[position] = translations.get(copied, copied)
    return " ".join(words)


def test_unknown_words_are_those_they_attend_to(
    binarised: Path, forgetful: Path, typed: Path, tmp_path: Path
) -> None:
    sources = typed.read_text().splitlines()
    aligned = list(parse(interactive(binarised, forgetful, typed, "--print-alignment", "hard")))
    assert sum("<unk>" in lines.text for lines in aligned) >= FIRST / 3
    (tmp_path / "dictionary").write_text("Xaxaxa Axaxaxa\n. !\n")
    with pytest.raises(SystemExit, match=r"^moe_nmt: --replace-unk absent: No such file"):
        interactive(binarised, forgetful, typed, "--replace-unk", "absent")
    for file, translations in (
        ("", {}),
        (tmp_path / "dictionary", {"Xaxaxa": "Axaxaxa", ".": "!"}),
    ):
        option = ["--replace-unk", *([file] if file else [])]
        output = interactive(binarised, forgetful, typed, *option)
        expected = {x.sentence: replaced(x, sources[x.sentence], translations) for x in aligned}
        assert hypotheses(output) == expected
        said = [line.split("\t")[1] for line in output.splitlines() if line.startswith("S-")]
        assert said == sources
        assert not any("<unk>" in text for text in expected.values())


def test_unknown_words_of_a_raw_data_set(
    binarised: Path, forgetful: Path, typed: Path, corpus: Path, tmp_path: Path
) -> None:
    shutil.copy(typed, tmp_path / "test.en")
    references = (corpus / "test.de").read_text().splitlines(keepends=True)[:FIRST]
    (tmp_path / "test.de").write_text("".join(references))
    raw = tmp_path / "raw"
    dictionary = binarised / "dict.en.txt"
    arguments = ["-s", "en", "-t", "de", "--testpref", tmp_path / "test", "--destdir", raw]
    options = ["--srcdict", dictionary, "--joined-dictionary", "--dataset-impl", "raw"]
    run_here("preprocess", *arguments, *options)
    output = generate(raw, forgetful, "--replace-unk", "--dataset-impl", "raw")
    assert hypotheses(output) == hypotheses(
        interactive(binarised, forgetful, typed, "--replace-unk")
    )


def test_sampling_is_fairseqs(
    binarised: Path, checkpoint: Path, caplog: pytest.LogCaptureFixture
) -> None:
    found = list(parse(generate(binarised, checkpoint, "--sampling", "--nbest", 3)))
    assert "--sampling uses fairseq's search, whose scores follow --lenpen" in caplog.text
    assert len(found) == 3 * SIZES["test"]
    assert len({lines.text for lines in found}) > SIZES["test"]


def test_constraints_are_fairseqs(binarised: Path, checkpoint: Path, tmp_path: Path) -> None:
    words = [line.split()[0] for line in (binarised / "dict.de.txt").read_text().splitlines()]
    text = tmp_path / "constrained.en"
    text.write_text(f"The hotel .\t{words[40]}\n")
    output = interactive(
        binarised, checkpoint, text, "--constraints", "--buffer-size", 1, "--batch-size", 1
    )
    assert words[40] in hypotheses(output)[0].split()


def test_validation_searches_with_the_options_of_the_task(binarised: Path, tmp_path: Path) -> None:
    options = ["--eval-bleu", "--eval-bleu-args", '{"beam": 2, "max_len_b": 10}']
    options += ["--max-update", "2", "--no-epoch-checkpoints", "--length-penalty-alpha", "1.5"]
    state = torch.load(train_here(binarised, tmp_path, *options))
    task = state["cfg"]["task"]
    assert (task["length_penalty_alpha"], task["coverage_penalty_beta"]) == (1.5, 0.2)
    assert "_bleu_counts" in {name for _, name, *_ in state["extra_state"]["metrics"]["valid"]}


REFUSED = {
    "--lenpen 2": "--lenpen and --unnormalized belong to fairseq's score",
    "--unnormalized": "--lenpen and --unnormalized belong to fairseq's score",
    "--length-penalty-alpha -1": "--length-penalty-alpha must be at least 0 and finite, not -1.0",
    "--coverage-penalty-beta nan": "--coverage-penalty-beta must be at least 0 and finite, not nan",
    "--beam 0": "--beam must be at least 1, not 0",
    "--nbest 0": "--nbest must be at least 1, not 0",
    "--token-pruning -1": "--token-pruning must be at least 0, not -1.0",
    "--hypothesis-pruning nan": "--hypothesis-pruning must be at least 0, not nan",
    "--unkpen inf": "--unkpen must be at least 0 and finite, not inf",
    "--temperature 0": "--temperature must be greater than 0",
    "--min-len 30": "--min-len 30 is greater than the greatest length of a translation, 20",
}


@pytest.mark.parametrize("options", REFUSED)
def test_wrong_options_are_refused_in_one_sentence(
    binarised: Path, checkpoint: Path, options: str
) -> None:
    with pytest.raises(SystemExit) as stopped:
        generate(binarised, checkpoint, *options.split())
    assert str(stopped.value.code).startswith(f"moe_nmt: {REFUSED[options]}")


@pytest.mark.parametrize("option", ["--score-reference", "--prefix-size 2"])
def test_references_have_to_be_there(
    binarised: Path, checkpoint: Path, typed: Path, tmp_path: Path, option: str
) -> None:
    data = tmp_path / "source alone"
    shutil.copy(typed, tmp_path / "test.en")
    arguments = ["-s", "en", "-t", "de", "--testpref", tmp_path / "test", "--destdir", data]
    run_here("preprocess", *arguments, "--only-source", "--srcdict", binarised / "dict.en.txt")
    shutil.copy(binarised / "dict.de.txt", data)
    assert len(hypotheses(generate(data, checkpoint))) == FIRST
    message = f"^moe_nmt: {option.split()[0]} needs references: use fairseq-generate with data of"
    with pytest.raises(SystemExit, match=message):
        generate(data, checkpoint, *option.split())
    with pytest.raises(SystemExit, match=message):
        interactive(binarised, checkpoint, typed, *option.split())


def test_interactive_refuses_what_fairseq_cannot_do(
    binarised: Path, checkpoint: Path, typed: Path
) -> None:
    options = ["--replace-unk", "--sampling", "--nbest", 3]
    with pytest.raises(SystemExit, match="--replace-unk does not go with --sampling"):
        interactive(binarised, checkpoint, typed, *options)
    with pytest.raises(SystemExit, match="fairseq-interactive prints hard alignments only"):
        interactive(binarised, checkpoint, typed, "--print-alignment", "soft")
