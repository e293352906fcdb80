"""Wrong options stop with one sentence that names them; embeddings are shared as asked."""

import pytest
import torch
from omegaconf import OmegaConf
from small_models import SIZES, build, dictionary, task_of

from moe_nmt.errors import UserError
from moe_nmt.models.config import GNMTMoEConfig
from moe_nmt.models.gnmt_moe import GNMTMoEModel
from moe_nmt.moe import Experts

WRONG = [
    ({"model_dim": 0}, "--model-dim must be at least 1"),
    ({"lstm_cells": 0}, "--lstm-cells must be at least 1"),
    ({"encoder_layers": 0}, "--encoder-layers must be at least 1"),
    ({"decoder_layers": 0}, "--decoder-layers must be at least 1"),
    ({"attention_dim": 0}, "--attention-dim must be at least 1"),
    ({"expert_hidden": -1}, "--expert-hidden must be at least 1"),
    ({"dropout": 1.0}, "--dropout must be in [0, 1), not 1.0"),
    ({"dropout": -0.1}, "--dropout must be in [0, 1), not -0.1"),
    ({"experts": 0}, "a gate needs at least one expert, not 1 x 0"),
    ({"k": 5}, "k must be between 1 and the 4 experts to choose from, not 5"),
    ({"k": 0}, "k must be between 1 and the 4 experts to choose from, not 0"),
    ({"expert_groups": 2, "k": 3}, "k must be between 1 and the 2 experts to choose from, not 3"),
    ({"expert_groups": 3}, "4 experts cannot be divided evenly into 3 groups"),
    ({"expert_groups": 0}, "4 experts cannot be divided evenly into 0 groups"),
    ({"gate": "softmax"}, "the softmax gate uses all 4 experts for every token: k must be 4"),
    (
        {"gate": "best"},
        "there is no gate 'best'; the gates are softmax, noisy-top-k, strictly-balanced",
    ),
    ({"lstm_cells": 8}, "an LSTM cannot project its 8 cells up to 16"),
    (
        {"encoder_bidirectional": True, "lstm_cells": 17},
        "a bidirectional layer halves its sizes: 17 cells and 16 outputs have to be even",
    ),
    (
        {"encoder_moe_after": "1,x"},
        "--encoder-moe-after is a list of layer numbers such as 1,2, not '1,x'",
    ),
    ({"encoder_moe_after": "3"}, "--encoder-moe-after '3': the layers are numbered from 1 to 2"),
    ({"decoder_moe_after": "0"}, "--decoder-moe-after '0': the layers are numbered from 1 to 2"),
    ({"decoder_moe_after": "1,1"}, "--decoder-moe-after '1,1' names a layer twice"),
]


@pytest.mark.parametrize(("options", "sentence"), WRONG, ids=[sentence for _, sentence in WRONG])
def test_a_wrong_option_stops_with_one_sentence(options: dict[str, object], sentence: str) -> None:
    with pytest.raises(UserError) as stopped:
        build(**options)
    assert str(stopped.value) == f"{sentence}"


def test_sharing_all_embeddings_needs_a_joint_dictionary() -> None:
    config = GNMTMoEConfig(**{**SIZES, "share_all_embeddings": True})
    with pytest.raises(UserError, match="run fairseq-preprocess with --joined-dictionary"):
        GNMTMoEModel.build_model(config, task_of(dictionary(20), dictionary(21)))


@pytest.mark.parametrize(
    ("options", "matrices"),
    [
        ({"share_all_embeddings": True}, 1),
        ({"share_decoder_input_output_embed": True}, 2),
        ({}, 3),
    ],
)
def test_embeddings_are_shared_as_asked(options: dict[str, object], matrices: int) -> None:
    model = build(**options)
    embeddings = [model.encoder.embedding, model.decoder.embedding, model.decoder.output_embedding]
    assert len({id(embedding.weight) for embedding in embeddings}) == matrices
    model(torch.tensor([[5, 2]]), None, torch.tensor([[2, 6]]))[0].sum().backward()
    # Reads of words 5 and 6 and the softmax over all 20 words leave their gradients.
    touched = {id(e.weight): int(e.weight.grad.any(dim=1).sum()) for e in embeddings}
    assert sorted(touched.values()) == {1: [20], 2: [2, 20], 3: [2, 2, 20]}[matrices]


def test_the_source_dictionary_may_differ_from_the_target_dictionary() -> None:
    config = GNMTMoEConfig(**SIZES)
    model = GNMTMoEModel.build_model(config, task_of(dictionary(20), dictionary(33)))
    logits, _ = model(torch.tensor([[19, 2]]), None, torch.tensor([[2, 32, 31]]))
    assert logits.shape == (1, 3, 33)


@pytest.mark.parametrize(
    ("encoder", "decoder", "names"),
    [
        ("", "", set()),
        ("1,2", "", {"encoder_1", "encoder_2"}),
        ("2", "1,2", {"encoder_2", "decoder_1", "decoder_2"}),
    ],
)
def test_mixtures_stand_where_they_are_asked_for(
    encoder: str, decoder: str, names: set[str]
) -> None:
    model = build(encoder_moe_after=encoder, decoder_moe_after=decoder)
    _, extra = model(torch.tensor([[5, 2]]), None, torch.tensor([[2, 6, 7]]))
    assert set(extra["routings"]) == names
    tokens = {name: int(routing.token.max()) + 1 for name, routing in extra["routings"].items()}
    assert tokens == {name: 2 if name.startswith("encoder") else 3 for name in names}


def test_a_checkpoint_older_than_an_option_gets_its_default() -> None:
    words = dictionary(20)
    options = vars(GNMTMoEConfig(**SIZES))
    del options["recompute_experts"], options["_name"]
    old = OmegaConf.create({"_name": "gnmt_moe_tiny", **options, "gate": "noisy-top-k"})
    OmegaConf.set_struct(old, True)
    model = GNMTMoEModel.build_model(old, task_of(words, words))
    assert not any(m.recompute for m in model.modules() if isinstance(m, Experts))
