"""Subwords of a SentencePiece unigram model (Kudo 2018)."""

from __future__ import annotations

import io
import re
import sys
from collections.abc import Iterable, Iterator, Sequence

import sentencepiece

from moe_nmt.corpus.subwords.vocabulary_size import VocabularyError
from moe_nmt.errors import UserError

LONGEST = 1 << 16  # bytes of a sentence to learn from; SentencePiece's own default is 4192
THREADS = 16  # whatever the machine has: sums of floats depend on their number


def learn_sentence_pieces(
    sentences: Iterable[str],
    size: int,
    seed: int,
    coverage: float = 1.0,
    symbols: Sequence[str] = (),
    longest: int = LONGEST,
) -> bytes:
    """Learns ``size`` subwords that hold a share of the sentences' characters, by default all.

    The ``symbols`` are among them, and kept whole.  Sentences of more bytes than ``longest`` are
    left out, which the user is told.
    """
    model = io.BytesIO()
    too_long = taken = 0

    def not_too_long() -> Iterator[str]:
        nonlocal too_long, taken
        for sentence in sentences:
            # characters are of 1 to 4 bytes: few sentences have to be encoded
            if 4 * len(sentence) > longest and len(sentence.encode("utf-8")) > longest:
                too_long += 1
            else:
                taken += 1
                yield sentence

    sentencepiece.set_random_generator_seed(seed)
    try:
        sentencepiece.SentencePieceTrainer.train(
            sentence_iterator=not_too_long(),
            model_writer=model,
            model_type="unigram",
            vocab_size=size,
            character_coverage=coverage,
            user_defined_symbols=list(symbols),
            normalization_rule_name="identity",  # the text is normalised already
            bos_id=-1,  # fairseq's dictionary has its own
            eos_id=-1,
            num_threads=THREADS,
            max_sentence_length=longest,  # longer ones it would skip in silence
            minloglevel=2,
        )
    except RuntimeError as error:
        if too_long and not taken:
            raise UserError(
                f"all lines have more than {longest:,} bytes: --longest takes another number"
            ) from error
        if most := re.search(r"value <= (\d+)", str(error)):
            raise VocabularyError(size, int(most[1])) from error
        raise UserError(f"--vocabulary {size} {reason(str(error))}") from error
    if too_long:
        print(
            f"moe_nmt: warning: {too_long:,} lines of more than {longest:,} bytes had no part in "
            "the subwords: --longest takes another number",
            file=sys.stderr,
            flush=True,
        )
    return model.getvalue()


def reason(message: str) -> str:
    """Says in the user's terms why SentencePiece refused a vocabulary size."""
    if fewest := re.search(r"required_chars\. \d+ vs (\d+)", message):
        return f"is fewer than the characters of this text: at least {fewest[1]}"
    return f"was refused by SentencePiece: {message}"


class SentencePieces:
    """Splits sentences with a learned model."""

    def __init__(self, model: bytes, seed: int) -> None:
        self.processor = sentencepiece.SentencePieceProcessor(model_proto=model)
        self.seed: int | None = seed  # until the first sample is drawn

    def best(self, sentence: str) -> list[str]:
        """The most probable segmentation."""
        pieces: list[str] = self.processor.encode(sentence, out_type=str)
        return pieces

    def sampled(self, sentence: str, alpha: float) -> list[str]:
        """A segmentation drawn with probability proportional to p^alpha."""
        if self.seed is not None:  # of the library's generator, one for all models
            sentencepiece.set_random_generator_seed(self.seed)
            self.seed = None
        pieces: list[str] = self.processor.encode(
            sentence, out_type=str, enable_sampling=True, alpha=alpha, nbest_size=-1
        )
        return pieces

    def known(self) -> set[str]:
        """All subwords of the model."""
        return {self.processor.id_to_piece(i) for i in range(self.processor.get_piece_size())}
