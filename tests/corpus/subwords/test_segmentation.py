from pathlib import Path

import pytest
from commands import run
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from moe_nmt.corpus.cleaning.normalise import normalise
from moe_nmt.corpus.subwords import byte_pairs
from moe_nmt.corpus.subwords.byte_pairs import BytePairs, sentence_tokens
from moe_nmt.corpus.subwords.sentence_pieces import reason
from moe_nmt.corpus.subwords.subword import (
    METHODS,
    Segmenter,
    apply,
    apply_to_file,
    drawn,
    learn,
    load,
    sample,
    undo,
    undo_of_tokens,
    undoing,
)
from moe_nmt.errors import UserError
from moe_nmt.evaluation.generated import write_translations
from moe_nmt.files import each_line

SENTENCES = [
    f"{who} {does} {what}{end}"
    for who in ("A man", "Two young women", "The l'Oréal dog", "Ein Mädchen", "Männer")
    for does in ("sees", "klettert auf", "is throwing", "wirft")
    for what in ("a ball", "ein Spielhaus aus Holz", "the 2 bright-red balls", "Bälle")
    for end in (".", ", und „lacht“.")
]


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("corpus") / "train"
    path.write_text("\n".join(SENTENCES) + "\n", encoding="utf-8")
    return path


@pytest.fixture(scope="module", params=METHODS)
def model(request: pytest.FixtureRequest, corpus: Path) -> Path:
    path = corpus.with_name(request.param)
    learn([corpus, corpus], request.param, 60, seed=1, output=path)
    return path


@pytest.fixture(scope="module")
def segmenter(model: Path) -> Segmenter:
    return load(model)


def test_pieces_are_those_of_the_vocabulary(segmenter: Segmenter) -> None:
    vocabulary = {piece for s in SENTENCES for piece in apply(s, segmenter).split(" ")}
    assert 40 < len(vocabulary) <= 60
    pieces = apply("A man sees a ball.", segmenter).split(" ")
    assert 5 < len(pieces) < 18
    assert set(pieces) <= vocabulary


@settings(max_examples=200, deadline=None)
@given(
    text=st.text()
    | st.text(alphabet="aä .,'@</>w_\u2581\u00a0\u2028e\u0301")
    | st.sampled_from(SENTENCES)
)
def test_undo_gives_the_normalised_text_back(model: Path, segmenter: Segmenter, text: str) -> None:
    join = undo
    if model.name == "moses-bpe":
        join = undo_of_tokens
        assume("@@" not in text)  # which no tokenizer leaves together
    for pieces in (apply(text, segmenter), sample(text, segmenter, alpha=0.3)):
        assert join(pieces) == normalise(text)
        assert pieces.split() == [piece for piece in pieces.split(" ") if piece]


def test_learning_is_deterministic(model: Path, corpus: Path) -> None:
    again = corpus.with_name("again")
    learn([corpus, corpus], model.name, 60, seed=1, output=again)
    assert again.read_bytes() == model.read_bytes()


def test_tokens_carry_their_space() -> None:
    assert sentence_tokens("L'eau, 2 œufs!") == ["▁L", "'", "eau", ",", "▁2", "▁œufs", "!"]
    assert sentence_tokens("") == []


def test_byte_pairs_of_tokens_are_those_of_subword_nmts_commands(
    corpus: Path, tmp_path: Path
) -> None:
    learn([corpus], "moses-bpe", 90, 1, tmp_path / "model")
    apply_to_file(corpus, tmp_path / "pieces", tmp_path / "model")
    codes, pieces = tmp_path / "codes", tmp_path / "theirs"
    options = ["--symbols", 90, "--total-symbols"]
    for arguments in (
        ["learn-bpe", "--input", corpus, "--output", codes, *options],
        ["apply-bpe", "--codes", codes, "--input", corpus, "--output", pieces],
    ):
        assert run("subword-nmt", *arguments).returncode == 0
    assert (tmp_path / "model").read_bytes() == codes.read_bytes()
    assert (tmp_path / "pieces").read_bytes() == pieces.read_bytes()
    assert pieces.read_text().count("@@ ") > 100


def test_byte_pairs_know_what_they_were_learned_of(corpus: Path, tmp_path: Path) -> None:
    """Even if no merge holds the mark of the space."""
    for method, expected in (("bpe", ["▁", "e", "n"]), ("moses-bpe", ["e@@", "n"])):
        learn([corpus], method, 60, 1, tmp_path / "model")
        first_line = (tmp_path / "model").read_text(encoding="utf-8").split("\n")[0]
        (tmp_path / "model").write_text(f"{first_line}\nq q\n", encoding="utf-8")
        assert load(tmp_path / "model").best("en") == expected


def test_the_first_mark_tells_how_subwords_are_joined() -> None:
    assert undoing(["", "Zwei", "▁Bä lle", "x@@ y"]) is undo
    assert undoing(["Zwei", "Bä@@ lle", "▁"]) is undo_of_tokens
    assert undoing(["Zwei Bä@@"]) is undo_of_tokens
    assert undoing(["Zwei", "a @@ b @-@ c"]) is str
    assert [undo_of_tokens(text) for text in ("Zwei Bä@@ lle .", "Bä@@", "")] == [
        "Zwei Bälle .", "Bä", "",
    ]  # fmt: skip


def test_copies_are_aligned_deterministic_and_differ(
    model: Path, corpus: Path, tmp_path: Path
) -> None:
    outputs = [tmp_path / name for name in ("one", "again", "other")]
    for output, seed in zip(outputs, (1, 1, 2), strict=True):
        assert apply_to_file(corpus, output, model, copies=3, alpha=0.3, seed=seed) == 3 * 160
    one, again, other = (output.read_text(encoding="utf-8") for output in outputs)
    assert one == again != other
    lines = one.splitlines()
    assert [*map(undoing(lines), lines)] == 3 * SENTENCES
    segmenter = load(model)
    assert lines[:160] == [apply(sentence, segmenter) for sentence in SENTENCES]
    assert sum(a != b for a, b in zip(lines[:160], lines[160:320], strict=True)) > 80
    assert sum(a != b for a, b in zip(lines[160:320], lines[320:], strict=True)) > 80


def test_workers_change_nothing(
    model: Path, corpus: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(each_line, "BLOCK", 7)
    outputs = [tmp_path / "one", tmp_path / "three"]
    for output, workers in zip(outputs, (1, 3), strict=True):
        assert apply_to_file(corpus, output, model, copies=2, workers=workers) == 2 * 160
    assert outputs[0].read_bytes() == outputs[1].read_bytes()


@pytest.mark.parametrize("workers", [1, 2])
def test_a_line_that_is_not_utf8_is_named(
    workers: int, model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(each_line, "BLOCK", 3)
    (tmp_path / "text").write_bytes(b"A man\n" * 7 + b"sch\xf6n\n")
    with pytest.raises(UserError, match=r"line 8 of .*text is not UTF-8: if it is LATIN1"):
        apply_to_file(tmp_path / "text", tmp_path / "out", model, workers=workers)
    assert not (tmp_path / "out").exists()


def test_a_sample_is_drawn_by_its_seed_and_alike_from_both_sides() -> None:
    lines = [str(number) for number in range(10_000)]
    one, again, other = (list(drawn(iter(lines), 0.1, seed)) for seed in (1, 1, 2))
    assert one == again != other
    assert 900 < len(one) < 1100
    assert one == sorted(one, key=int)
    assert list(drawn(iter(lines), 1.5, 1)) == lines


def test_rare_characters_are_left_out_by_coverage(tmp_path: Path) -> None:
    (tmp_path / "text").write_text("".join(f"{s}\n" for s in SENTENCES * 9) + "漢\n", "utf-8")
    has_rare = []
    for coverage in (1.0, 0.999):
        learn([tmp_path / "text"], "sentencepiece", 60, 1, tmp_path / "model", coverage=coverage)
        has_rare.append("漢".encode() in (tmp_path / "model").read_bytes())
    assert has_rare == [True, False]


def test_byte_pairs_remember_a_bounded_number_of_words(
    corpus: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(byte_pairs, "MOST_CACHED", 100)
    learn([corpus], "bpe", 60, 1, tmp_path / "model")
    segmenter = BytePairs((tmp_path / "model").read_bytes(), 1)
    for number in range(1000):
        assert "".join(segmenter.best(f"man {number}")) == f"▁man▁{number}"
        assert len(segmenter.bpe.cache) <= 103


def test_sampling_does_not_change_the_best(segmenter: Segmenter) -> None:
    before = apply(SENTENCES[-1], segmenter)
    assert len({sample(SENTENCES[-1], segmenter, 0.3) for _ in range(20)}) > 1
    assert apply(SENTENCES[-1], segmenter) == before


@pytest.mark.parametrize("method", METHODS)
def test_a_size_that_does_not_fit_is_refused(method: str, corpus: Path, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"--vocabulary 5 is fewer than the characters"):
        learn([corpus], method, 5, 1, tmp_path / "model")
    with pytest.raises(UserError, match=r"--vocabulary must be positive, not 0"):
        learn([corpus], method, 0, 1, tmp_path / "model")
    assert not (tmp_path / "model").exists()


def test_sentencepiece_says_how_many_are_possible(corpus: Path, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"--vocabulary 9999 is too many for this text: at most \d"):
        learn([corpus], "sentencepiece", 9999, 1, tmp_path / "model")
    assert reason("unheard of") == "was refused by SentencePiece: unheard of"


@pytest.mark.parametrize("text", ["a\n", "b a\na b\n", "Three quick fowls.\n", "same\n" * 9])
@pytest.mark.parametrize("method", METHODS[1:])
def test_a_text_with_little_to_merge(method: str, text: str, tmp_path: Path) -> None:
    (tmp_path / "text").write_text(text)
    learn([tmp_path / "text"], method, 1000, 1, tmp_path / "model")
    pieces = apply(text.splitlines()[0], load(tmp_path / "model"))
    undone = undo if method == "bpe" else undo_of_tokens
    assert undone(pieces) == text.splitlines()[0]


@pytest.mark.parametrize("method", METHODS)
def test_no_text_is_refused(method: str, tmp_path: Path) -> None:
    (tmp_path / "empty").write_text("\n \n")
    with pytest.raises(UserError, match="there is no text to learn subwords from"):
        learn([tmp_path / "empty"], method, 100, 1, tmp_path / "model")


def test_mistakes_of_apply(model: Path, corpus: Path, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"train is no model of subwords"):
        load(corpus)
    with pytest.raises(UserError, match=r"cannot read .*absent"):
        load(tmp_path / "absent")
    with pytest.raises(UserError, match=r"--sample must be at least 1, not 0"):
        apply_to_file(corpus, tmp_path / "out", model, copies=0)
    with pytest.raises(UserError, match=r"--alpha must be between 0 and 1, not 1.5"):
        apply_to_file(corpus, tmp_path / "out", model, copies=2, alpha=1.5)


GENERATED = (
    "S-1\t▁x\nT-1\t▁y\nH-1\t-0.5\t▁Zwei ▁Bä lle .\nD-1\t-0.5\t▁Zwei ▁Bä lle .\nP-1\t-0.1 -0.2\n"
    "H-1\t-0.9\t▁worse\nH-10\t-1.0\t▁last\n"
    + "".join(f"H-{n}\t-1\t\n" for n in (9, 8, 7, 6, 5, 4, 3, 2))
    + "H-0\t-0.3\t▁First\u2028 ly\nGenerate test with beam=5: BLEU4 = 1\n"
)


def test_translations_in_the_order_of_the_source(tmp_path: Path) -> None:
    (tmp_path / "generated").write_text(GENERATED, encoding="utf-8")
    (tmp_path / "source").write_text("x\n" * 11)
    assert write_translations(tmp_path / "generated", tmp_path / "source", tmp_path / "out") == 11
    lines = (tmp_path / "out").read_text(encoding="utf-8").split("\n")
    assert lines == ["First\u2028ly", "Zwei Bälle.", *[""] * 8, "last", ""]


@pytest.mark.parametrize("count", [10, 12])
def test_missing_translations_stop(count: int, tmp_path: Path) -> None:
    (tmp_path / "generated").write_text(GENERATED, encoding="utf-8")
    (tmp_path / "source").write_text("x\n" * count)
    with pytest.raises(UserError, match=rf"of 11 sentences but .*source has {count} lines"):
        write_translations(tmp_path / "generated", tmp_path / "source", tmp_path / "out")


def test_a_limit_that_leaves_no_line_is_named(tmp_path: Path) -> None:
    (tmp_path / "text").write_text("a sentence of some words\n" * 20)
    with pytest.raises(UserError, match="all lines have more than 10 bytes: --longest takes"):
        learn([tmp_path / "text"], "sentencepiece", 20, 1, tmp_path / "model", longest=10)
