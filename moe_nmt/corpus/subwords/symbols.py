"""A user's own symbols, such as <2de> or placeholders: one subword each, never split."""

from __future__ import annotations

from collections.abc import Sequence

from moe_nmt.corpus.cleaning.normalise import WORD_START, normalise
from moe_nmt.errors import UserError

SPECIAL = ("<s>", "<pad>", "</s>", "<unk>")  # numbers 0 to 3, in every dictionary and no file


def check_symbols(symbols: Sequence[str], method: str) -> None:
    """Stops at what cannot be a subword of its own, and where the method would take it apart."""
    if symbols and method == "moses-bpe":
        raise UserError(
            "--symbols: Moses' rules take symbols apart, in fairseq as well: "
            "take --subword sentencepiece or bpe"
        )
    for symbol in symbols:
        if not symbol or normalise(symbol) != symbol or " " in symbol or WORD_START in symbol:
            raise UserError(
                f"--symbols {symbol!r}: a symbol is one word of visible characters, in NFC"
            )
        if symbol in SPECIAL:
            raise UserError(f"--symbols {symbol}: fairseq has it already, for itself")
        if symbols.count(symbol) > 1:
            raise UserError(f"--symbols {symbol}: it is named twice")
