"""moe-nmt-pack, and the folders it makes."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch
from commands import PLUGIN, run_here, train_here
from safetensors.torch import load_file, save_file

from moe_nmt import load
from moe_nmt.checkpoints.reading import read
from moe_nmt.cli import average, pack, score, subword
from moe_nmt.errors import UserError
from moe_nmt.files.hashes import sha256
from moe_nmt.translation.description import Description
from moe_nmt.translation.model_folder import ModelFolder


def refusal(*arguments: object) -> str:
    """What the command says as it ends with status 1."""
    with pytest.raises(SystemExit) as stop:
        pack.main([*map(str, arguments)])
    return str(stop.value)


def description_of(folder: Path) -> dict[str, Any]:
    description: dict[str, Any] = json.loads((folder / "model.json").read_text(encoding="utf-8"))
    return description


def test_what_is_in_a_folder(
    subword_folder: Path, prepared: Path, subword_checkpoint: Path
) -> None:
    names = {path.name for path in subword_folder.iterdir()}
    dictionaries = {"source.dict.txt", "target.dict.txt"}
    files = {"model.safetensors", "subword.model", *dictionaries}
    assert names == {"model.json", "README.md", *files}
    said = description_of(subword_folder)
    assert said["files"] == {
        name: {
            "bytes": (subword_folder / name).stat().st_size,
            "sha256": sha256(subword_folder / name),
        }
        for name in files
    }
    assert (subword_folder / "subword.model").read_bytes() == (
        prepared / "subword.model"
    ).read_bytes()
    assert said["source"] == {"language": "en", "pieces": "of sentences", "tokenizer": "none"}
    assert said["target"] == {"language": "de", "pieces": "of sentences", "tokenizer": "none"}
    assert said["model"]["experts"] == 4
    assert said["model"]["gate"] == "noisy-top-k"
    assert said["search"]["beam"] == 5
    assert said["training"]["updates"] == 8
    assert said["training"]["sha256"] == sha256(subword_checkpoint)
    assert said["training"]["data"]["corpora"][0]["name"] == "train"
    assert said["versions"].keys() >= {"moe_nmt", "torch", "sentencepiece"}


def test_the_weights_are_the_checkpoints(folder: Path, checkpoint: Path) -> None:
    weights, saved = load_file(folder / "model.safetensors"), read(checkpoint)["model"]
    for name, tensor in weights.items():
        torch.testing.assert_close(tensor, saved[name], rtol=0, atol=0)
    rest = saved.keys() - weights.keys()  # a tied embedding is stored once
    for name in rest:
        same = [other for other, tensor in weights.items() if torch.equal(tensor, saved[name])]
        assert same, name


def test_a_folder_of_words_is_known_by_its_dictionary(folder: Path) -> None:
    said = description_of(folder)
    assert said["source"]["pieces"] == "words"
    assert "subword.model" not in said["files"]
    assert said["training"]["data"] is None


def test_the_search_settings_are_packed(checkpoint: Path, binarised: Path, tmp_path: Path) -> None:
    output = tmp_path / "packed"
    pack.main(
        [
            *(str(checkpoint), "--data", str(binarised), "--output", str(output), "--beam", "2"),
            *("--length-penalty-alpha", "0.7", "--token-pruning", "inf"),
        ]
    )
    settings = load(output).settings
    assert settings.beam == 2
    assert settings.length_penalty_alpha == 0.7
    assert settings.token_pruning == float("inf")
    assert "inf" in (output / "model.json").read_text(encoding="utf-8")
    assert json.loads((output / "model.json").read_text(), parse_constant=pytest.fail)
    said = refusal(checkpoint, "--data", binarised, "--output", tmp_path / "x", "--beam", "0")
    assert said == "moe_nmt: --beam must be at least 1, not 0"


def test_the_card_has_scores_and_licence(
    checkpoint: Path, binarised: Path, corpus: Path, tmp_path: Path
) -> None:
    reference, report = corpus / "test.de", tmp_path / "scores.json"
    score.main(["--reference", str(reference), str(reference), "--json", str(report)])
    output = tmp_path / "packed"
    options = ["--scores", str(report), "--licence", "cc-by-4.0"]
    pack.main([str(checkpoint), "--data", str(binarised), "--output", str(output), *options])
    card = (output / "README.md").read_text(encoding="utf-8")
    assert "language: [en, de]" in card
    assert 'license: "cc-by-4.0"' in card
    assert re.search(r"\| sacreBLEU +\| +100\.00 \| nrefs:1", card)
    assert "moe-nmt-translate packed < text.en > text.de" in card


def test_an_averaged_checkpoint_can_be_packed(
    subword_checkpoint: Path, prepared: Path, tmp_path: Path
) -> None:
    averaged = tmp_path / "averaged.pt"
    average.main([str(subword_checkpoint), "--output", str(averaged)])
    pack.main([str(averaged), "--output", str(tmp_path / "packed")])
    assert len(load(tmp_path / "packed").translate(["a dog"], max_len_b=5)) == 1


def test_tokens_of_moses_are_made_and_undone(corpus: Path, tmp_path: Path) -> None:
    """Merges of tokens, marked by @@: the folder tokenises and detokenises."""
    pytest.importorskip("sacremoses")
    tokens, model = tmp_path / "tokens", tmp_path / "merges"
    for split in ("train", "valid", "test"):
        for side in ("en", "de"):
            source, output = corpus / f"{split}.{side}", tokens / f"{split}.{side}"
            subword.main(f"tokenize --language {side} --input {source} --output {output}".split())
    train = " ".join(str(tokens / f"train.{side}") for side in ("en", "de"))
    options = f"--method moses-bpe --vocabulary 120 --output {model}"
    subword.main(f"learn --input {train} {options}".split())
    for split in ("train", "valid", "test"):
        for side in ("en", "de"):
            name = f"{split}.{side}"
            arguments = f"apply --model {model} --input {tokens / name}"
            subword.main(f"{arguments} --output {tmp_path / 'pieces' / name}".split())
    prefixes = [f"--{s}pref={tmp_path / 'pieces' / s}" for s in ("train", "valid", "test")]
    data = tmp_path / "binarised"
    options = ["-s", "en", "-t", "de", "--joined-dictionary", *prefixes]
    run_here("preprocess", *options, f"--destdir={data}")
    trained = train_here(data, tmp_path / "run", "--max-update", "2")
    said = refusal(trained, "--data", data, "--output", tmp_path / "packed")
    assert "there is no subword.model in or beside" in said
    pack.main([str(trained), "--subword", str(model), "--output", str(tmp_path / "packed")])
    languages = load(tmp_path / "packed").languages
    assert description_of(tmp_path / "packed")["source"]["tokenizer"] == "moses"
    pieces = languages.source.read("The dog's house, isn't it?")
    assert languages.source.pieces.words(pieces)[:4] == ["The", "dog", "&apos;s", "house"]
    assert languages.target.write(["d@@", "er", "Hund", ",", "&quot;", "ja", "&quot;"]) == (
        'der Hund, "ja"'
    )


def test_subwords_of_another_model_are_refused(
    subword_checkpoint: Path, corpus: Path, tmp_path: Path
) -> None:
    other = tmp_path / "other.model"
    subword.main(f"learn --input {corpus / 'train.de'} --output {other} --vocabulary 200".split())
    said = refusal(subword_checkpoint, "--subword", other, "--output", tmp_path / "packed")
    assert said.startswith(f"moe_nmt: {other} knows ")
    assert "name the model that the text was segmented with by --subword" in said
    assert not (tmp_path / "packed").exists()


def test_what_cannot_be_packed(
    checkpoint: Path, binarised: Path, folder: Path, tmp_path: Path
) -> None:
    output = ("--output", tmp_path / "packed")
    data = ("--data", binarised)
    assert "does not exist" in refusal(tmp_path / "no.pt", *output)
    assert "is a folder: name checkpoints in it" in refusal(checkpoint.parent, *output)
    assert "exists: name another --output" in refusal(checkpoint, *data, "--output", folder)
    assert "has no dictionaries" in refusal(checkpoint, "--data", tmp_path, *output)
    bad = tmp_path / "scores.json"
    bad.write_text("{}")
    assert "cannot be read as what moe-nmt-score --json writes" in refusal(
        checkpoint, *data, *output, "--scores", bad
    )
    for name in ("nothing.model", "scores.json"):
        said = refusal(checkpoint, *data, *output, "--subword", tmp_path / name)
        assert str(tmp_path / name) in said
    assert not [path for path in tmp_path.iterdir() if path.name.startswith("packed")]


def test_a_training_whose_data_are_gone_needs_data(
    checkpoint: Path, binarised: Path, tmp_path: Path
) -> None:
    state = torch.load(checkpoint, weights_only=True)
    state["cfg"]["task"]["data"] = str(tmp_path / "gone")
    torch.save(state, tmp_path / "moved.pt")
    said = refusal(tmp_path / "moved.pt", "--output", tmp_path / "packed")
    assert said.endswith(
        f"was trained on {tmp_path / 'gone'}, which is not here: name the folder of "
        "fairseq-preprocess with --data"
    )


def test_another_architecture_cannot_be_packed(binarised: Path, tmp_path: Path) -> None:
    run_here(
        "train",
        *(binarised, *PLUGIN, "--arch", "transformer_tiny", "--max-update", "1"),
        *("--optimizer", "sgd", "--lr", "0.1", "--max-tokens", "500", "--save-dir", tmp_path),
    )
    said = refusal(tmp_path / "checkpoint_last.pt", "--output", tmp_path / "packed")
    assert "is of a model of another project" in said


@pytest.fixture
def copied(folder: Path, tmp_path: Path) -> Path:
    """A folder to damage."""
    return shutil.copytree(folder, tmp_path / "copied")


@pytest.mark.parametrize("name", ["model.safetensors", "source.dict.txt", "target.dict.txt"])
def test_a_file_that_was_changed_is_refused(copied: Path, name: str) -> None:
    with (copied / name).open("r+b") as file:
        file.seek(-2, 2)
        (byte,) = file.read(1)
        file.seek(-2, 2)
        file.write(bytes([byte ^ 1]))
    with pytest.raises(UserError, match=rf"{name} is not the file that was packed: get it again"):
        load(copied)
    (copied / name).unlink()
    with pytest.raises(UserError, match=rf"cannot read .*{name}: No such file"):
        load(copied)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda said: said.update(format=2), "is of format 2, and this moe_nmt reads format 1"),
        (lambda said: said.pop("format"), "is not as moe-nmt-pack writes it"),
        (lambda said: said.pop("source"), "is not as moe-nmt-pack writes it"),
        (lambda said: said["source"].update(pieces="x"), "pieces must be one of"),
        (lambda said: said["source"].update(tokenizer="x"), "tokenizer must be one of none, moses"),
        (lambda said: said["search"].update(beam="x"), "is not as moe-nmt-pack writes it"),
        (lambda said: said["search"].update(other=1), "is not as moe-nmt-pack writes it"),
        (lambda said: said["source"].update(language=3), "a language must be a code such as en"),
        (
            lambda said: said["target"].update(pieces="of sentences"),
            "pieces of sentences and words",
        ),
        (lambda said: said.update(files=None), "files must be named, not None"),
        (lambda said: said["files"].update(x={}), "'x' must have its bytes and sha256, not {}"),
        (lambda said: said["model"].update(attention=3), "is not of the model in model.json"),
        (lambda said: said["model"].update(encoder_moe_after=2), "is not of the model in model"),
        (lambda said: said["files"].pop("model.safetensors"), "names no model.safetensors"),
        (
            lambda said: said["files"].update({"../x": {"bytes": 0, "sha256": ""}}),
            "names a file elsewhere",
        ),
        (
            lambda said: said["files"].update({"x\0": {"bytes": 0, "sha256": ""}}),
            "cannot read .*null byte",
        ),
        (lambda said: said["search"].update(beam=0), "beam must be at least 1, not 0"),
        (lambda said: said["search"].update(max_len_b=1 << 70), "max_len_b must be from 1 to"),
        (lambda said: said.update(format="1"), "is of format '1', and this moe_nmt reads format 1"),
        (
            lambda said: said["model"].update(encoder_layers=10**7),
            "it has fewer weights than layers",
        ),
        (lambda said: said["model"].update(experts=8), "is not of the model in model.json"),
        (lambda said: said["model"].update(other=8), "is not of the model in model.json"),
        (lambda said: said["model"].update(decoder_layers=3), "is not of the model in model.json"),
    ],
)
def test_a_description_that_was_changed_is_refused(copied: Path, change: Any, words: str) -> None:
    said = description_of(copied)
    change(said)
    (copied / "model.json").write_text(json.dumps(said), encoding="utf-8")
    with pytest.raises(UserError, match=words):
        load(copied)


@pytest.mark.parametrize("name", ["model.safetensors", "source.dict.txt"])
@pytest.mark.parametrize("data", [b"", b"x", b"\xff\xfe\x00"])
def test_a_damaged_file_of_the_right_hash_is_refused(copied: Path, name: str, data: bytes) -> None:
    (copied / name).write_bytes(data)
    said = description_of(copied)
    said["files"][name] = {"bytes": len(data), "sha256": sha256(copied / name)}
    (copied / "model.json").write_text(json.dumps(said), encoding="utf-8")
    with pytest.raises(UserError, match=r"model in model\.json|is no dictionary"):
        load(copied)


@pytest.mark.parametrize("text", ["", "[]", "{", "null", "\xff", "[" * 100_000])
def test_a_description_that_is_none_is_refused(copied: Path, text: str) -> None:
    (copied / "model.json").write_bytes(text.encode("latin-1"))
    with pytest.raises(UserError, match=r"model\.json"):
        load(copied)


def test_a_folder_that_names_no_kind_translates(copied: Path) -> None:
    """As those made before there were other kinds."""
    said = description_of(copied)
    assert said.pop("kind") == "translation"
    (copied / "model.json").write_text(json.dumps(said), encoding="utf-8")
    assert len(load(copied).translate(["a dog"], max_len_b=5)) == 1


def test_descriptions_are_read_as_they_were_written(folder: Path, tmp_path: Path) -> None:
    description = ModelFolder.read(folder).description
    description.write(tmp_path / "model.json")
    assert Description.read(tmp_path / "model.json") == description


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda state: state.pop("cfg"), "was trained on a folder it does not name"),
        (lambda state: state["cfg"].pop("model"), "cannot be loaded with"),
        (lambda state: state["cfg"].pop("task"), "was trained on a folder it does not name"),
        (lambda state: state["cfg"]["task"].update(_name="nobodys"), "cannot be loaded with"),
        (lambda state: state["cfg"]["model"].update(_name="nobodys"), "cannot be loaded with"),
        (lambda state: state["model"].popitem(), "cannot be loaded with"),
    ],
)
def test_a_checkpoint_that_lacks_something_is_refused(
    change: Any, words: str, checkpoint: Path, tmp_path: Path
) -> None:
    state = read(checkpoint)
    change(state)
    torch.save(state, tmp_path / "odd.pt")
    assert words in refusal(tmp_path / "odd.pt", "--output", tmp_path / "out")
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("scores", ["[" * 100_000, '{"scores": null}', '{"scores": [{}]}'])
def test_scores_that_are_none_are_refused(scores: str, checkpoint: Path, tmp_path: Path) -> None:
    (tmp_path / "scores").write_text(scores)
    said = refusal(checkpoint, "--output", tmp_path / "out", "--scores", tmp_path / "scores")
    assert "cannot be read as what moe-nmt-score --json writes" in said


def test_weights_of_another_precision_are_refused(copied: Path) -> None:
    weights = load_file(copied / "model.safetensors")
    save_file({name: tensor.double() for name, tensor in weights.items()}, copied / "w")
    (copied / "w").rename(copied / "model.safetensors")
    said = description_of(copied)
    data = (copied / "model.safetensors").read_bytes()
    digest = sha256(copied / "model.safetensors")
    said["files"]["model.safetensors"] = {"bytes": len(data), "sha256": digest}
    (copied / "model.json").write_text(json.dumps(said), encoding="utf-8")
    with pytest.raises(UserError, match="is not in float32"):
        load(copied)


def test_a_full_disk_leaves_nothing(
    checkpoint: Path, binarised: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("moe_nmt.translation.model_folder.save_file", full)
    output = tmp_path / "packed"
    said = refusal(checkpoint, "--data", binarised, "--output", output)
    assert said == f"moe_nmt: cannot write {output}: No space left on device"
    assert list(tmp_path.iterdir()) == []
