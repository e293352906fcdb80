"""The world's scripts through every stage of text, from cleaning to scores."""

from __future__ import annotations

import json
import random
import unicodedata
from pathlib import Path

import pytest

from moe_nmt.cli import score
from moe_nmt.corpus.cleaning.languages import code_of
from moe_nmt.corpus.cleaning.normalise import normalise
from moe_nmt.corpus.subwords import subword
from moe_nmt.corpus.subwords.byte_pairs import sentence_tokens
from moe_nmt.corpus.subwords.vocabulary_size import VocabularyError

SAMPLES = {
    "ar": "الكلبُ يَرى القطّة. هل رأيتَ الكلب؟ نعم، رأيته في البيت.",
    "cs": "Pes vidí kočku. Viděl jsi psa? Ano, v domě, řekl žlutý kůň.",
    "hi": "कुत्ता बिल्ली को देखता है। क्या आपने कुत्ते को देखा? हाँ, घर में।",
    "ko": "개가 고양이를 봅니다. 개를 보았습니까? 네, 집에서 보았습니다.",
    "th": "สุนัขเห็นแมว คุณเห็นสุนัขไหม ใช่ ผู้ใหญ่เห็นในบ้านที่น้ำท่วม",
    "zh": "狗看见了猫。你看见狗了吗？是的，在房子里看见的。",
    "fa": "می‌خواهم کتاب‌ها را ببینم. خانه‌ام کجاست؟",  # with zero-width non-joiners
}
TEXTS = pytest.mark.parametrize("language", SAMPLES)


@pytest.fixture
def text(language: str, tmp_path: Path) -> Path:
    """Lines of the sample's words in random order: enough to learn subwords of."""
    words, draw = SAMPLES[language].split(), random.Random(1)
    path = tmp_path / f"text.{language}"
    lines = [" ".join(draw.choices(words, k=6)) for _ in range(200)]
    path.write_text("\n".join([SAMPLES[language], *lines]) + "\n", encoding="utf-8")
    return path


def learned(text: Path, method: str, model: Path, **options: int) -> subword.Segmenter:
    """A model of as many subwords as such a small text has."""
    try:
        subword.learn([text], method, 90, 1, model, **options)
    except VocabularyError as error:
        subword.learn([text], method, error.most, 1, model, **options)
    return subword.load(model)


@TEXTS
def test_normalising_keeps_every_letter(language: str) -> None:
    sample = SAMPLES[language]
    assert normalise(sample) == unicodedata.normalize("NFC", sample)
    assert normalise(unicodedata.normalize("NFD", sample)) == normalise(sample)


@TEXTS
def test_tokens_keep_marks_with_their_letters(language: str) -> None:
    tokens = sentence_tokens(normalise(SAMPLES[language]))
    assert "".join(tokens) == "▁" + normalise(SAMPLES[language]).replace(" ", "▁")
    for token in tokens:
        first = token.lstrip("▁")[:1]
        assert not first or unicodedata.category(first)[0] != "M", token
        assert first not in ("\u200c", "\u200d"), token
    words = [token for token in tokens if token.strip("▁")[:1].isalpha()]
    if language not in ("th", "zh"):  # a token is a word there too
        letters = (
            c
            for c in SAMPLES[language]
            if c.isalpha()
            or c in " \u200c"
            or unicodedata.combining(c)
            or unicodedata.category(c)[0] == "M"
        )
        assert len(words) == len("".join(letters).split())


@TEXTS
@pytest.mark.parametrize("method", ["sentencepiece", "bpe"])
def test_subwords_are_undone(language: str, method: str, text: Path, tmp_path: Path) -> None:
    segmenter = learned(text, method, tmp_path / "model")
    for line in text.read_text(encoding="utf-8").splitlines():
        pieces = subword.apply(line, segmenter)
        assert subword.undo(pieces) == normalise(line)
        assert "<unk>" not in pieces
        assert subword.undo(subword.sample(line, segmenter, 0.3)) == normalise(line)
    characters = set("".join(normalise(SAMPLES[language]).split()))
    alone = {piece.strip("▁") for c in characters for piece in segmenter.best(c)}
    assert alone - {""} == characters


@TEXTS
def test_scores(language: str, text: Path, tmp_path: Path) -> None:
    if language == "ko":
        pytest.importorskip("mecab_ko")
    report = tmp_path / "report.json"
    options = ["--language", language, "--json", str(report)]
    score.main([str(text), "--reference", str(text), *options])
    rows = {row["measure"]: row for row in json.loads(report.read_text())["scores"]}
    expected = {"zh": "zh", "th": "char", "ko": "ko-mecab"}.get(language, "13a")
    for measure in ("multi-bleu", "sacreBLEU"):
        assert rows[measure]["mean"] == pytest.approx(100)
        assert f"|tok:{expected}" in rows[measure]["signature"]


def test_chinese_is_scored_by_its_characters(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """By 13a each sentence is a word, and one character more makes it another one."""
    reference, hypothesis = tmp_path / "ref", tmp_path / "hyp"
    reference.write_text("狗看见了一只小猫在房子里。\n" * 5, encoding="utf-8")
    hypothesis.write_text("狗看见了一只大猫在房子里。\n" * 5, encoding="utf-8")
    figures = {}
    for options in ([], ["--language", "zh-Hans"], ["--sacrebleu-tokenizer", "char"]):
        score.main([str(hypothesis), "--reference", str(reference), *options])
        row = next(line for line in capsys.readouterr().out.splitlines() if "sacreBLEU" in line)
        figures[" ".join(options)] = float(row.split()[1])
    assert figures[""] < 1
    assert figures["--language zh-Hans"] > 60
    assert figures["--sacrebleu-tokenizer char"] == figures["--language zh-Hans"]


def test_one_free_full_stop_is_no_sign_of_tokens(tmp_path: Path) -> None:
    lines = ["狗看见了猫。"] * 99 + ["公司 . com 的网站。"]
    (tmp_path / "zh").write_text("\n".join(lines) + "\n", encoding="utf-8")
    score.main([str(tmp_path / "zh"), "--reference", str(tmp_path / "zh"), "--language", "zh"])
    (tmp_path / "tokens").write_text("the dog , the cat .\n" * 20, encoding="utf-8")
    with pytest.raises(SystemExit, match="looks tokenised"):
        score.main([str(tmp_path / "tokens"), "--reference", str(tmp_path / "tokens")])


def test_a_tokenizer_that_lacks_its_package_names_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def missing(*_: object, **__: object) -> None:
        raise RuntimeError("Please install the extra dependencies")

    monkeypatch.setattr("moe_nmt.evaluation.tokenizers.BLEU", missing)
    (tmp_path / "ja").write_text("犬は猫を見る。\n", encoding="utf-8")
    with pytest.raises(SystemExit, match=r"ja-mecab needs pip install 'sacrebleu\[ja\]'"):
        score.main([str(tmp_path / "ja"), "--reference", str(tmp_path / "ja"), "--language", "ja"])


@pytest.mark.parametrize(
    ("form", "code"),
    [
        ("de", "de"),
        ("DE", "de"),
        ("deu", "de"),
        ("ger", "de"),
        ("de_DE", "de"),
        ("de-AT", "de"),
        ("zh-Hans", "zh"),
        ("zh_CN", "zh"),
        ("cmn", "zh"),
        ("pt-BR", "pt"),
        ("jpn", "ja"),
        ("src", "src"),
        ("", ""),
        ("a b", "a b"),
    ],
)
def test_codes_in_any_form(form: str, code: str) -> None:
    assert code_of(form) == code


def test_long_lines_are_learned_from_or_told_of(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    """SentencePiece itself skips what is longer than 4192 bytes, without a word."""
    thai = SAMPLES["th"].replace(" ", "")
    text = tmp_path / "text.th"
    text.write_text((thai * 40 + "\n") * 3, encoding="utf-8")
    assert len(thai.encode()) * 40 > 4192
    segmenter = learned(text, "sentencepiece", tmp_path / "model")
    assert "".join(segmenter.best(thai)) == "▁" + thai
    assert {*thai} <= segmenter.known()
    assert capfd.readouterr().err == ""
    text.write_text((thai + "\n") * 30 + thai * 40 + "\n", encoding="utf-8")
    learned(text, "sentencepiece", tmp_path / "model", longest=4192)
    assert "1 lines of more than 4,192 bytes had no part" in capfd.readouterr().err


@pytest.mark.parametrize("method", ["sentencepiece", "bpe"])
def test_loading_and_sampling_leave_others_random_numbers_alone(
    method: str, tmp_path: Path
) -> None:
    text = tmp_path / "text"
    text.write_text(f"{SAMPLES['cs']}\n" * 20, encoding="utf-8")
    learned(text, method, tmp_path / "model")
    before = random.getstate()
    segmenters = [subword.load(tmp_path / "model", seed=3) for _ in range(2)]
    first = [subword.sample(SAMPLES["cs"], segmenters[0], 0.5) for _ in range(8)]
    assert random.getstate() == before
    assert len(set(first)) > 1
    if method == "bpe":  # each has draws of its own
        assert [subword.sample(SAMPLES["cs"], segmenters[1], 0.5) for _ in range(8)] == first
