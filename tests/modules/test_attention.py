"""The attention functions against loops over pairs of positions."""

import math

import pytest
import torch
from comparisons import assert_all_close, gradients, in_double
from hypothesis import given
from hypothesis import strategies as st
from module_checks import draw, is_token, randomise, randomly
from module_references import attend, double_weights

from moe_nmt.modules.attention import ATTENTIONS, AdditiveAttention, Memory, ProductAttention

every_kind = pytest.mark.parametrize("kind", ATTENTIONS)


def build(kind, dim, attention_dim, seed=0):
    attention = ATTENTIONS[kind](dim, attention_dim)
    randomise(attention, seed)
    return attention


def padded(lengths, dim, seed=0):
    """Encoder outputs [batch, source, dim] and their padding [batch, source]."""
    return draw(len(lengths), max(lengths), dim, seed=seed), ~is_token(lengths).t()


@every_kind
@given(
    lengths=st.lists(st.integers(1, 4), min_size=1, max_size=3),
    target=st.integers(1, 3),
    sizes=st.tuples(st.integers(1, 5), st.integers(1, 5)),
)
@randomly
def test_formula_and_gradients(kind, lengths, target, sizes):
    attention = build(kind, *sizes)
    values, padding = padded(lengths, sizes[0])
    query = draw(len(lengths), target, sizes[0], seed=1)
    context, shares = attention(query, attention.memory(values, padding))

    weights = double_weights(attention)
    slow_values, slow_query = in_double(values, query)
    slow_context, slow_shares = [], []
    for b, length in enumerate(lengths):
        found = [attend(kind, slow_values[b, :length], y, weights) for y in slow_query[b]]
        slow_context.append(torch.stack([context for context, _ in found]))
        missing = max(lengths) - length
        slow_shares.append(
            torch.stack([torch.cat([share, share.new_zeros(missing)]) for _, share in found])
        )
    slow = [torch.stack(slow_context), torch.stack(slow_shares)]
    assert_all_close([context, shares], slow)
    assert_all_close(
        gradients([context, shares], [values, query, *attention.parameters()]),
        gradients(slow, [slow_values, slow_query, *weights.values()]),
    )


def test_names():
    assert ATTENTIONS["product"] is ProductAttention
    assert ATTENTIONS["additive"] is AdditiveAttention


@every_kind
def test_padding_has_no_weight_no_gradient_and_changes_nothing(kind):
    attention = build(kind, 4, 6)
    values, padding = padded([2, 5, 3], 4)
    query = draw(3, 2, 4, seed=1)
    other = values.detach().masked_fill(padding[:, :, None], 1e6).requires_grad_()
    one = attention(query, attention.memory(values, padding))
    two = attention(query, attention.memory(other, padding))
    for context, shares in (one, two):
        assert not shares.transpose(1, 2)[padding].any()
        assert_all_close([shares.sum(-1)], [torch.ones(3, 2)])
        (gradient,) = gradients([context], [values if context is one[0] else other])
        assert not gradient[padding].any()
        assert gradient[~padding].all()
    assert torch.equal(one[0], two[0])
    assert torch.equal(one[1], two[1])


@every_kind
def test_the_length_of_the_batch_changes_nothing(kind):
    attention = build(kind, 4, 6)
    values, padding = padded([3, 5], 4)
    query = draw(2, 2, 4, seed=1)
    whole, _ = attention(query, attention.memory(values, padding))
    alone, _ = attention(query[:1], attention.memory(values[:1, :3], padding[:1, :3]))
    assert_all_close([whole[:1]], [alone])


@every_kind
def test_huge_scores_stay_finite(kind):
    attention = build(kind, 4, 6)
    attention.scale.data.mul_(1e30)
    values, padding = padded([3, 5], 4)
    context, shares = attention(draw(2, 2, 4, seed=1), attention.memory(values, padding))
    assert_all_close([shares.max(-1).values], [torch.ones(2, 2)])
    assert context.isfinite().all()


@every_kind
def test_the_scale_starts_at_one_over_the_root_of_the_size(kind):
    assert_all_close([ATTENTIONS[kind](4, 16).scale], [torch.full((16,), 0.25)])


@every_kind
def test_sentences_are_reordered_and_repeated_together(kind):
    attention = build(kind, 4, 6)
    values, padding = padded([2, 5, 3], 4)
    query = draw(4, 1, 4, seed=1)
    order = torch.tensor([2, 0, 0, 1])
    reordered = attention.memory(values, padding).index_select(order)
    assert isinstance(reordered, Memory)
    expected = attention(query, attention.memory(values[order], padding[order]))
    assert_all_close(attention(query, reordered), expected)


@every_kind
@pytest.mark.parametrize("mode", ["cast", "autocast"])
def test_half_precision_weighs_in_float32(kind, mode):
    attention = build(kind, 8, 16)
    values, padding = padded([2, 5, 3], 8)
    query = draw(3, 2, 8, seed=1)
    full = attention(query, attention.memory(values, padding))
    if mode == "cast":
        attention.bfloat16()
        half = attention(query.bfloat16(), attention.memory(values.bfloat16(), padding))
    else:
        with torch.autocast("cpu", dtype=torch.bfloat16):
            half = attention(query, attention.memory(values, padding))
    assert half[0].dtype == torch.bfloat16
    assert half[1].dtype == torch.float32
    assert_all_close(half, full, rtol=5e-2, atol=5e-2)
    assert_all_close([half[1].sum(-1)], [torch.ones(3, 2)])
    assert math.isfinite(sum(gradient.sum() for gradient in gradients(half[:1], [query])))
