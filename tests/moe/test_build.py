"""Gates and layers from plain sizes, and what is said where the sizes are wrong."""

import warnings

import pytest
import torch

from moe_nmt.moe import (
    GATES,
    HierarchicalGate,
    NoisyTopKGate,
    SoftmaxGate,
    StrictlyBalancedGate,
    build_gate,
    build_mixture_of_experts,
)


def test_gates_have_the_names_of_the_paper():
    assert GATES["softmax"] is SoftmaxGate
    assert GATES["noisy-top-k"] is NoisyTopKGate
    assert GATES["strictly-balanced"] is StrictlyBalancedGate


@pytest.mark.parametrize("name", GATES)
def test_a_flat_gate(name):
    gate = build_gate(name, 8, 4, 4)
    assert type(gate) is GATES[name]
    assert (gate.dim, gate.experts, gate.k, gate.groups) == (8, 4, 4, 1)


@pytest.mark.parametrize("name", ["noisy-top-k", "strictly-balanced"])
def test_a_hierarchical_gate_uses_k_at_both_levels(name):
    gate = build_gate(name, 8, 12, 2, groups=3)
    assert type(gate) is HierarchicalGate
    assert type(gate.primary) is type(gate.secondary) is GATES[name]
    first, second = gate.primary, gate.secondary
    assert (first.dim, first.experts, first.k, first.groups) == (8, 3, 2, 1)
    assert (second.dim, second.experts, second.k, second.groups) == (8, 4, 2, 3)
    assert gate.num_experts == 12


def test_a_layer():
    layer = build_mixture_of_experts(8, 20, 12, 2, "strictly-balanced", 3)
    assert layer.experts.w_in.shape == (12, 8, 20)
    assert layer.experts.w_out.shape == (12, 20, 8)
    assert type(layer.gate.primary) is StrictlyBalancedGate
    assert type(build_mixture_of_experts(8, 20, 12, 2).gate) is NoisyTopKGate
    assert not layer.experts.recompute
    assert build_mixture_of_experts(8, 20, 12, 2, recompute=True).experts.recompute


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (
            ("top-k", 8, 4, 2),
            r"there is no gate 'top-k'; the gates are softmax, noisy-top-k, strictly-balanced$",
        ),
        (
            ("noisy-top-k", 8, 4, 5),
            r"k must be between 1 and the 4 experts to choose from, not 5$",
        ),
        (
            ("strictly-balanced", 8, 4, 0),
            r"k must be between 1 and the 4 experts to choose from, not 0$",
        ),
        (("softmax", 8, 4, 2), r"k must be 4$"),
        (("noisy-top-k", 8, 0, 1), r"a gate needs at least one expert, not 1 x 0$"),
        (
            ("noisy-top-k", 8, 10, 1, 4),
            r"10 experts cannot be divided evenly into 4 groups$",
        ),
        (("noisy-top-k", 8, 10, 1, 0), r"10 experts cannot be divided evenly into 0 groups$"),
        (("noisy-top-k", 8, 2, 1, 4), r"2 experts cannot be divided evenly into 4 groups$"),
        (("noisy-top-k", 8, 12, 4, 3), r"between 1 and the 3 experts to choose from, not 4$"),
    ],
)
def test_wrong_sizes_are_refused_in_one_sentence(arguments, sentence):
    with pytest.raises(ValueError, match=sentence):
        build_gate(*arguments)


@pytest.mark.parametrize("groups", [1, 2])
def test_one_expert_per_token_is_warned_of(groups):
    with pytest.warns(UserWarning, match=r"with k = 1 .* take k = 2 or more$"):
        build_gate("noisy-top-k", 8, 4, 1, groups)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        build_gate("noisy-top-k", 8, 4, 2, groups)
        build_gate("noisy-top-k", 8, 1, 1)
        build_gate("strictly-balanced", 8, 4, 1, groups)


@pytest.mark.parametrize("name", ["noisy-top-k", "strictly-balanced"])
@pytest.mark.parametrize("groups", [1, 64])
def test_layers_can_be_described_without_their_memory(name, groups):
    with torch.device("meta"):
        layer = build_mixture_of_experts(512, 2048, 65536, 2, name, groups)
    assert all(parameter.is_meta for parameter in layer.parameters())
    assert layer.experts.w_in.expert
    assert layer.experts.w_in.shape == (65536, 512, 2048)
