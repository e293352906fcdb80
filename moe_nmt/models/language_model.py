"""The paper's language model: LSTMs with mixtures of experts between them (section 5.1, App. C)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from fairseq.models import FairseqLanguageModel, register_model
from fairseq.modules import AdaptiveSoftmax
from torch import Tensor, nn

from moe_nmt.errors import UserError
from moe_nmt.models.architectures import LANGUAGE_MODELS
from moe_nmt.models.assembly import (
    mixture,
    named_mixtures,
    register_architectures,
    word_embedding,
)
from moe_nmt.models.config import LSTMMoELanguageModelConfig, completed, moe_positions, validate
from moe_nmt.models.recurrent_decoder import RecurrentDecoder
from moe_nmt.models.recurrent_model import RecurrentModel
from moe_nmt.modules.dropout import Dropout
from moe_nmt.modules.lstm import LSTMState, lstm
from moe_nmt.modules.mixture_lstm import MixtureLSTM
from moe_nmt.modules.stack import RecurrentStack, StackOutput
from moe_nmt.moe.workers import Workers

NAME = "lstm_moe_lm"


class LanguageModelDecoder(RecurrentDecoder):
    """Reads words and predicts the next one at every position.

    Args:
        dictionary: of the words.
        embedding: of the words read.
        stack: applied to the embedded words.
        output_embedding: of the words predicted, may be ``embedding`` itself; or instead of it an
            adaptive softmax.
        dropout: on the embeddings.
    """

    def __init__(
        self,
        dictionary: Any,
        embedding: nn.Embedding,
        stack: RecurrentStack,
        output_embedding: nn.Embedding | AdaptiveSoftmax,
        dropout: float,
    ) -> None:
        super().__init__(dictionary, embedding, output_embedding)
        self.dropout = Dropout(dropout)
        self.stack = stack
        # The state after the last batch, of training and of evaluation, for one that goes on.
        self.carried: dict[bool, list[LSTMState]] = {}

    def forward(
        self,
        prev_output_tokens: Tensor,
        encoder_out: None = None,
        incremental_state: dict[str, Any] | None = None,
        features_only: bool = False,
        src_lengths: Tensor | None = None,
        words: int | None = None,
        goes_on: bool | None = None,
    ) -> tuple[Tensor, dict[str, Any]]:
        """Predicts after whole sequences, or with incremental state after the last word alone.

        Args:
            prev_output_tokens: [batch, time], padded at the end.
            encoder_out: not needed; fairseq passes it.
            incremental_state: where the state between the steps of a search is kept.
            features_only: leave out the projection to the vocabulary.
            src_lengths: not needed; fairseq passes it.
            words: how many of whole sequences' tokens are no padding, if it is known.
            goes_on: each row goes on with the text of that row of the batch before, as
                ``tasks.streams`` has it, or begins where nothing was carried; False: it begins, but
                the next batch may go on with it.

        Returns:
            [batch, time, words], or [batch, time, dim] features; and ``attn``, which there is
            none, and ``routings`` by the mixture's name, such as decoder_1.
        """
        state: Sequence[LSTMState] | None = None
        if incremental_state is not None:
            prev_output_tokens = prev_output_tokens[:, -1:]
            state = self.get_state(incremental_state)
        elif goes_on and self.training in self.carried:
            state = self.state_of_rows(prev_output_tokens.size(0))
        output = self.decode(prev_output_tokens, state, words)
        if incremental_state is not None:
            self.set_state(incremental_state, output.states)
        elif goes_on is not None:
            self.carried[self.training] = [
                LSTMState(*(tensor.detach() for tensor in layer)) for layer in output.states
            ]
        features = output.x.transpose(0, 1)  # [batch, time, dim]
        extra = {"attn": None, "routings": output.routings}
        return features if features_only else self.output_layer(features), extra

    def state_of_rows(self, rows: int) -> list[LSTMState]:
        """What was carried of the first rows: [1, rows, ...] each; those that end come last."""
        device = self.embedding.weight.device
        return [
            LSTMState(*(tensor[:, :rows].to(device).contiguous() for tensor in layer))
            for layer in self.carried[self.training]
        ]

    def decode(
        self, tokens: Tensor, state: Sequence[LSTMState] | None, words: int | None = None
    ) -> StackOutput:
        """Reads words: tokens [batch, time], padded at the end; ``state`` after those before."""
        is_token = tokens.ne(self.padding_idx).t()  # [time, batch]
        x = self.dropout(self.embedding(tokens)).transpose(0, 1)
        return self.stack(x, is_token, state, words)


@register_model(NAME, dataclass=LSTMMoELanguageModelConfig)
class LSTMMoELanguageModel(RecurrentModel, FairseqLanguageModel):
    """Embedding, LSTM, mixture of experts, LSTM, softmax; and more layers by option."""

    @classmethod
    def build_model(cls, cfg: LSTMMoELanguageModelConfig, task: Any) -> LSTMMoELanguageModel:
        """Builds the model for the dictionary of ``task``.

        Raises:
            UserError: an option is wrong; the message names it and its limits.
        """
        try:
            if len(task.source_dictionary) != len(task.target_dictionary):
                raise ValueError(
                    "the model predicts the words that it reads: leave out --output-dictionary-size"
                )
            workers = getattr(task, "workers", None)
            cfg = completed(LSTMMoELanguageModelConfig, cfg)
            return build_model(cls, cfg, task.source_dictionary, workers)
        except ValueError as error:
            raise UserError(f"{error}") from error

    def count_words(self, net_input: dict[str, Any]) -> dict[str, Any]:
        """A batch with the number of its words; see ``RecurrentModel``."""
        words = int(net_input["src_tokens"].ne(self.decoder.padding_idx).sum())
        return {**net_input, "words": words}


def build_model(
    cls: type[LSTMMoELanguageModel],
    cfg: LSTMMoELanguageModelConfig,
    dictionary: Any,
    workers: Workers | None = None,
) -> LSTMMoELanguageModel:
    """Assembles a model for a dictionary; with ``workers`` its experts are divided among them.

    Raises:
        ValueError: an option is wrong.
    """
    validate(cfg)
    embedding = word_embedding(dictionary, cfg.model_dim)
    output: nn.Embedding | AdaptiveSoftmax
    if cfg.adaptive_softmax_cutoff:
        output = adaptive_softmax(cfg, len(dictionary))
    elif cfg.share_decoder_input_output_embed:
        output = embedding
    else:
        output = word_embedding(dictionary, cfg.model_dim)
    stack = RecurrentStack(
        lstm_layers(cfg, workers),
        named_mixtures(cfg, "decoder", cfg.lstm_layers, "moe_after", workers),
        cfg.dropout,
    )
    return cls(LanguageModelDecoder(dictionary, embedding, stack, output, cfg.dropout))


def lstm_layers(
    cfg: LSTMMoELanguageModelConfig, workers: Workers | None
) -> list[nn.LSTM | MixtureLSTM]:
    """LSTMs, those that an option names with mixtures for matrices.

    Raises:
        ValueError: such ones on several workers, whose batches have different numbers of steps.
    """
    recurrent = moe_positions(cfg.recurrent_moe, cfg.lstm_layers, "--recurrent-moe")
    if recurrent and workers is not None and workers.world > 1:
        raise ValueError(
            "--recurrent-moe needs one worker: others' batches have other numbers of steps"
        )
    dim, cells = cfg.model_dim, cfg.lstm_cells
    return [
        MixtureLSTM(f"decoder_lstm_{layer}", mixture(cfg, 2 * dim, 4 * cells), dim)
        if layer in recurrent
        else lstm(dim, cells, dim)
        for layer in range(1, cfg.lstm_layers + 1)
    ]


def adaptive_softmax(cfg: LSTMMoELanguageModelConfig, words: int) -> AdaptiveSoftmax:
    """fairseq's softmax by groups of words, whose ends are an option.

    Raises:
        ValueError: they are no ascending numbers within the vocabulary.
    """
    option = f"--adaptive-softmax-cutoff {cfg.adaptive_softmax_cutoff!r}"
    if cfg.share_decoder_input_output_embed:
        raise ValueError(f"{option} and --share-decoder-input-output-embed exclude each other")
    try:
        ends = [int(end) for end in cfg.adaptive_softmax_cutoff.split(",")]
    except ValueError:
        raise ValueError(f"{option}: name ends of groups of words, as in 2000,10000") from None
    if ends != sorted(set(ends)) or not 1 <= ends[0] <= ends[-1] < words:
        raise ValueError(f"{option}: the ends have to ascend, from 1 to {words - 1}")
    if cfg.model_dim < 4 ** len(ends):
        raise ValueError(f"{option} has too many groups for --model-dim {cfg.model_dim}")
    return AdaptiveSoftmax(words, cfg.model_dim, ends, cfg.dropout)


register_architectures(NAME, LANGUAGE_MODELS)
