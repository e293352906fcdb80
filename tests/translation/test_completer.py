"""Language models: packed, and going on with raw beginnings."""

from __future__ import annotations

import json
import math
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
import torch
from commands import ROOT, run, run_here

from moe_nmt import load
from moe_nmt.cli import pack, prepare, serve, translate
from moe_nmt.errors import LimitError, UserError
from moe_nmt.translation.completer import Completer, batches_of_one_length

STORED = Path(__file__).parent / "stored_language_model"  # 300 updates on the embedded corpus
TASK = ["--user-dir", "moe_nmt", "--task", "expert_parallel_language_modeling", "--cpu"]
PROMPTS = ["the man", "", "she said", "An unheard-of Ωmega", "the man"]
DRAWN: dict[str, Any] = {"sampling": True, "max_len_b": 12}


@pytest.fixture(scope="module")
def prepared(corpus: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What moe-nmt-prepare makes of one language: subwords of sentences."""
    output = tmp_path_factory.mktemp("prepared") / "dest"
    texts = ["--train", str(corpus / "train.en"), "--valid", str(corpus / "valid.en")]
    command = ["--monolingual", "en", *texts, "--vocabulary", "150", "--destdir", str(output)]
    prepare.main(command)
    return output


def train(data: Path, folder: Path, *options: str) -> Path:
    run_here(
        "train",
        *(data, *TASK, "--num-workers", "0", "--save-dir", folder, "--arch", "lstm_moe_lm_tiny"),
        *("--model-dim", "32", "--lstm-cells", "32", "--expert-hidden", "32", "--experts", "4"),
        *("--criterion", "balanced_cross_entropy", "--optimizer", "fused_adam", "--lr", "0.01"),
        *("--lr-scheduler", "warmup_constant_inverse_sqrt", "--warmup-updates", "10"),
        *("--sample-break-mode", "eos", "--max-tokens", "1000", "--max-update", "30"),
        *("--no-epoch-checkpoints", "--disable-validation", *options),
    )
    return folder / "checkpoint_last.pt"


@pytest.fixture(scope="module")
def trained(prepared: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return train(prepared / "binarised", tmp_path_factory.mktemp("trained"))


@pytest.fixture(scope="module")
def packed(trained: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of that model; the checkpoint says where its data lie."""
    output = tmp_path_factory.mktemp("packed") / "lm"
    pack.main([str(trained), "--output", str(output)])
    return output


@pytest.fixture(scope="module")
def completer(packed: Path) -> Completer:
    found = load(packed)
    assert isinstance(found, Completer)
    return found


def texts(completer: Completer, prompts: list[str], **options: Any) -> list[str]:
    return [str(one) for one in completer.complete(prompts, **options)]


def test_what_is_in_a_folder(packed: Path, prepared: Path) -> None:
    said = json.loads((packed / "model.json").read_text(encoding="utf-8"))
    assert said["kind"] == "language model"
    assert said["files"].keys() == {"model.safetensors", "dict.txt", "subword.model"}
    names = {path.name for path in packed.iterdir()}
    assert names == {"model.json", "README.md", *said["files"]}
    assert (packed / "dict.txt").read_bytes() == (prepared / "binarised/dict.txt").read_bytes()
    assert said["source"] == {"language": "en", "pieces": "of sentences", "tokenizer": "none"}
    assert said["model"]["moe_after"] == "1"
    card = (packed / "README.md").read_text(encoding="utf-8")
    assert "language: [en]" in card
    assert "tags: [text-generation, mixture-of-experts]" in card
    assert "moe-nmt-translate lm --sampling < beginnings > sentences" in card


@pytest.mark.parametrize("name", ["searched", "drawn"])
def test_a_stored_model_writes_what_it_wrote(name: str, tmp_path: Path) -> None:
    """Through the commands, on one thread."""
    folder = tmp_path / "lm"
    stored = ["--data", str(STORED), "--language", "en", "--max-len-b", "30"]
    pack.main([str(STORED / "checkpoint.pt"), *stored, "--output", str(folder)])
    draws = ["--sampling", "--sampling-topk", "10", "--seed", "7"] if name == "drawn" else []
    command = ["moe-nmt-translate", folder, "--threads", "1", "--device", "cpu", *draws]
    completer = load(folder, device="cpu")
    prompts = (STORED / "prompts.txt").read_text(encoding="utf-8").splitlines()
    expected = (STORED / f"{name}.txt").read_text(encoding="utf-8")
    values = {"sampling": True, "sampling_topk": 10, "seed": 7} if draws else {}
    assert texts(completer, prompts, **values) == expected.splitlines()
    (tmp_path / "in").write_text("".join(f"{prompt}\n" for prompt in prompts), encoding="utf-8")
    assert stream(command[1:], tmp_path) == expected


def stream(arguments: list[Any], folder: Path) -> str:
    """What moe-nmt-translate makes of the file "in"."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("moe_nmt.translation.windows.signal.signal", lambda *_: None)
        with (folder / "in").open("rb") as source, (folder / "out").open("wb") as output:
            patch.setattr("sys.stdin", source)
            patch.setattr("sys.stdout", output)
            translate.main([*map(str, arguments)])
    return (folder / "out").read_text(encoding="utf-8")


@pytest.mark.parametrize("beam", [1, 4])
def test_the_beam_is_that_of_fairseq_generate(
    beam: int, trained: Path, prepared: Path, packed: Path, completer: Completer, corpus: Path
) -> None:
    """Of the first four subwords of each sentence of the validation set."""
    output = run_here(
        "generate",
        *(prepared / "binarised", *TASK, "--path", trained, "--gen-subset", "valid"),
        *("--sample-break-mode", "eos", "--beam", beam, "--prefix-size", "4", "--max-len-b", "14"),
        *("--batch-size", "1", "--unkpen", "50"),
    )
    rows = [line.split("\t") for line in output.splitlines() if line.startswith("H-")]
    expected = {int(row[0][2:]): (row[2].split(), float(row[1]) * math.log(2)) for row in rows}
    lines = (corpus / "valid.en").read_text(encoding="utf-8").splitlines()
    pieces = [completer.languages.source.read(line)[:4] for line in lines]
    prompts = [completer.languages.target.write(of_one) for of_one in pieces]
    found = completer.complete(prompts, beam=beam, max_len_b=10)
    same = 0
    for number, completion in enumerate(found):
        if completion.source_pieces != pieces[number]:
            continue  # a word that is cut has other subwords
        same += 1
        best = completion.hypotheses[0]
        assert [*completion.source_pieces, *best.pieces] == expected[number][0]
        assert best.score == pytest.approx(expected[number][1], abs=1e-3)
    assert same > 30
    assert len({one.text for one in found}) > 20


def test_a_completion_begins_with_its_prompt(completer: Completer) -> None:
    for options in ({"max_len_b": 12}, DRAWN):
        found = completer.complete(PROMPTS, nbest=2, **options)
        assert [one.source for one in found] == PROMPTS
        for one in found:
            assert len(one.hypotheses) == 2
            for hypothesis in one.hypotheses:
                assert hypothesis.text.startswith(one.source)
                assert "<unk>" not in hypothesis.text
                assert 0 < len(hypothesis.pieces) <= 12
        assert found[1].text.strip()  # on a blank line a sentence of its own


@pytest.mark.parametrize("options", [{"max_len_b": 12}, DRAWN])
def test_a_completion_depends_on_no_other(
    completer: Completer, options: dict[str, Any], corpus: Path
) -> None:
    lines = (corpus / "test.en").read_text(encoding="utf-8").splitlines()[:20]
    prompts = [" ".join(line.split()[: 1 + number % 4]) for number, line in enumerate(lines)]
    together = texts(completer, prompts, **options)
    assert texts(completer, prompts, max_tokens=1, **options) == together
    alone = [
        texts(completer, [prompt], first=number, **options)[0]
        for number, prompt in enumerate(prompts)
    ]
    assert alone == together
    with ThreadPoolExecutor(4) as pool:
        many = list(pool.map(lambda _: texts(completer, prompts, **options), range(4)))
    assert many == [together] * 4


def test_draws_follow_the_seed_and_leave_torchs_alone(completer: Completer) -> None:
    torch.manual_seed(5)
    expected = torch.rand(3)
    torch.manual_seed(5)
    first, *others, last = texts(completer, PROMPTS, **DRAWN)
    torch.testing.assert_close(torch.rand(3), expected, rtol=0, atol=0)
    assert first != last  # one prompt at two places
    assert texts(completer, PROMPTS, seed=1, **DRAWN) == [first, *others, last]
    assert texts(completer, PROMPTS, seed=2, **DRAWN) != [first, *others, last]
    likely = texts(completer, ["the"] * 2, sampling_topk=1, **DRAWN)
    assert likely == texts(completer, ["the"] * 2, beam=1, max_len_b=12)


def test_nothing_gives_nothing_and_progress_counts(completer: Completer) -> None:
    assert completer.complete([]) == []
    done: list[int] = []
    completer.complete(PROMPTS, progress=done.append, max_len_b=3)
    assert sum(done) == len(PROMPTS)
    assert list(batches_of_one_length([2, 0, 2, 2, 1], 8)) == [[0, 2], [3], [4], [1]]


@pytest.mark.parametrize(
    ("options", "error", "words"),
    [
        ({"beam": 0}, LimitError, "beam must be at least 1, not 0"),
        ({"beam": 2, "nbest": 3}, LimitError, "nbest must be at most the beam, 2, not 3"),
        ({"nbest": 0}, LimitError, "nbest must be at least 1"),
        ({"temperature": 0.0}, LimitError, "temperature must be greater than 0"),
        ({"lenpen": float("inf")}, LimitError, "lenpen must be finite"),
        ({"max_len_b": 0}, LimitError, "max_len_b must be from 1"),
        ({"sampling": 1}, TypeError, "sampling must be True or False, not 1"),
        ({"sampling": True, "sampling_topk": -1}, LimitError, "sampling_topk must be at least 0"),
        ({"sampling": True, "sampling_topp": 1.5}, LimitError, "sampling_topp must be greater"),
        ({"sampling": True, "seed": -1}, LimitError, "seed must be from 0"),
        ({"sampling": True, "beam": 2}, LimitError, "beam goes without sampling"),
        ({"sampling_topk": 2}, LimitError, "sampling_topk goes with sampling"),
        ({"coverage_penalty_beta": 0.2}, TypeError, "coverage_penalty_beta"),
    ],
)
def test_values_outside_their_limits(
    completer: Completer, options: dict[str, Any], error: type[Exception], words: str
) -> None:
    with pytest.raises(error, match=words):
        completer.complete(["the"], **options)


def test_a_string_is_no_list(completer: Completer) -> None:
    with pytest.raises(TypeError, match=r"for one, write complete\(\[text\]\)\[0\]"):
        completer.complete("the man")


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--alignment"], "--alignment makes no sense for a language model: leave it out"),
        (["--split-longer-than", "9"], "--split-longer-than makes no sense for a language model"),
        (["--coverage-penalty-beta", "0"], "--coverage-penalty-beta makes no sense for a language"),
        (["--sampling", "--beam", "2"], "--beam goes without sampling: nbest says how many"),
    ],
)
def test_options_of_translation_are_refused(
    packed: Path, tmp_path: Path, options: list[str], words: str
) -> None:
    (tmp_path / "in").write_text("the man\n")
    with pytest.raises(SystemExit, match=f"moe_nmt: {words}"):
        stream([packed, *options], tmp_path)
    assert (tmp_path / "out").read_bytes() == b""


def test_options_of_language_models_are_refused_by_others(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "in").write_text("a dog\n")
    for option in ("--sampling", "--seed=3", "--temperature=2", "--lenpen=1"):
        name = option.partition("=")[0]
        with pytest.raises(SystemExit, match=f"{name} makes no sense for a translation model"):
            stream([folder, option], tmp_path)


def test_windows_and_columns(packed: Path, completer: Completer, tmp_path: Path) -> None:
    (tmp_path / "in").write_text("".join(f"{prompt}\n" for prompt in PROMPTS), encoding="utf-8")
    expected = texts(completer, PROMPTS, **DRAWN)
    options = [packed, "--sampling", "--max-len-b", "12", "--window", "2"]
    assert stream(options, tmp_path).splitlines() == expected
    rows = [json.loads(row) for row in stream([*options, "--json-lines"], tmp_path).splitlines()]
    assert [(row["line"], row["source"]) for row in rows] == [*enumerate(PROMPTS, start=1)]
    assert [row["hypotheses"][0]["text"] for row in rows] == expected
    (row, *_) = stream([*options, "--scores", "--nbest", "2"], tmp_path).splitlines()
    best = completer.complete(PROMPTS[:1], nbest=2, **DRAWN)[0].hypotheses[0]
    assert row == f"1\t{best.score:.4f}\t{best.text}"


def test_a_foreign_text_is_told_of(
    packed: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "in").write_text("ΩΨΞ ΦΔΛ ΣΠΓ\n" * 12, encoding="utf-8")
    assert stream([packed, "--max-len-b", "2"], tmp_path).count("ΩΨΞ ΦΔΛ ΣΠΓ") == 12
    said = capsys.readouterr().err
    assert "does not know" in said
    assert "is it in the model's language, raw" in said


def test_models_of_two_kinds_are_no_ensemble(packed: Path, folder: Path) -> None:
    words = "is a language model and .* a translation model: an ensemble is of models of one kind"
    with pytest.raises(UserError, match=words):
        load(packed, folder)


def test_an_ensemble_averages_its_models(packed: Path, completer: Completer) -> None:
    both = load(packed, packed)
    for one, other in zip(both.complete(PROMPTS), completer.complete(PROMPTS), strict=True):
        assert one.text == other.text
        assert one.score == pytest.approx(other.score, abs=1e-4)


def test_a_server_refuses_it(packed: Path) -> None:
    with pytest.raises(SystemExit, match="is a language model, which translates nothing"):
        serve.main([str(packed), "--port", "0"])


def test_settings_are_packed_and_words_need_no_subwords(corpus: Path, tmp_path: Path) -> None:
    """A model of words with an adaptive softmax, of data that moe-nmt-prepare did not make."""
    data = tmp_path / "data"
    prefix = f"--trainpref={corpus / 'train.en'}"
    done = run("fairseq-preprocess", "--only-source", prefix, f"--destdir={data}")
    assert done.returncode == 0, done.stderr
    path = train(data, tmp_path / "run", "--adaptive-softmax-cutoff", "100,500")
    folder = tmp_path / "words"
    settings = ["--sampling", "--sampling-topk", "3", "--max-len-b", "4"]
    pack.main([str(path), "--output", str(folder), *settings])
    assert json.loads((folder / "model.json").read_text())["source"]["language"] == "und"
    completer = load(folder)
    assert isinstance(completer, Completer)
    assert completer.settings.sampling_topk == 3
    found = completer.complete(["the neverseen man", "<unk> </s>"])
    assert found[0].text.startswith("the neverseen man")
    assert found[1].text.startswith("<unk> </s>")
    for one in found:
        assert len(one.hypotheses[0].pieces) <= 4
        assert not {"<unk>", "<s>", "<pad>"} & set(one.hypotheses[0].pieces)
    assert completer.unknown(found[0]) == 1
    half = load(folder, precision="bf16").complete(["the man"], sampling=False)
    assert half[0].text.startswith("the man")


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--coverage-penalty-beta", "0"], "--coverage-penalty-beta makes no sense for a language"),
        (["--sampling", "--sampling-topp", "0"], "--sampling-topp must be greater than 0"),
        (["--subword", str(ROOT / "nothing.model")], "nothing.model"),
    ],
)
def test_what_cannot_be_packed(
    trained: Path, tmp_path: Path, options: list[str], words: str
) -> None:
    with pytest.raises(SystemExit, match=words):
        pack.main([str(trained), "--output", str(tmp_path / "out"), *options])
    assert not (tmp_path / "out").exists()


def test_a_translation_model_takes_no_language(checkpoint: Path, tmp_path: Path) -> None:
    with pytest.raises(SystemExit, match="--language is for language models"):
        pack.main([str(checkpoint), "--output", str(tmp_path / "out"), "--language", "en"])


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"kind": "x"}, "kind must be one of translation, language model, not 'x'"),
        ({"kind": "translation"}, "is not as moe-nmt-pack writes it"),
        ({"search": {"beam": True}}, "beam must be a whole number, not True"),
    ],
)
def test_a_description_that_was_changed_is_refused(
    packed: Path, change: dict[str, Any], words: str
) -> None:
    path = packed / "model.json"
    written = path.read_text(encoding="utf-8")
    path.write_text(json.dumps({**json.loads(written), **change}), encoding="utf-8")
    try:
        with pytest.raises(UserError, match=words):
            load(packed)
    finally:
        path.write_text(written, encoding="utf-8")
