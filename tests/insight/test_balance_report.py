"""Importance and load of a whole data set, and the table of them."""

import torch
from small_models import build, collate, sentences

from moe_nmt.insight.balance_report import balance_table, expert_use


def test_use_is_added_up_over_batches_without_noise() -> None:
    model = build().train()
    sources, targets = sentences(5, 3, 9), sentences(6, 4, 2, seed=2)
    batches = [collate(sources[:2], targets[:2]), collate(sources[2:], targets[2:])]
    use = expert_use(model, batches)
    assert not model.training
    with torch.no_grad():
        _, extra = model(**collate(sources, targets)["net_input"])
    assert use.keys() == {"encoder_1", "decoder_1"}
    for name, (importance, load) in use.items():
        torch.testing.assert_close(importance, extra["routings"][name].importance)
        assert load.equal(extra["routings"][name].load)
    assert use["encoder_1"][1].sum() == 2 * (5 + 3 + 9)  # 2 experts per token
    assert use["decoder_1"][0].sum().item() == 12  # gates of a token add up to 1


def test_the_table_states_each_mixtures_balance() -> None:
    use = {"encoder_2": (torch.tensor([1.0, 3.0, 0.0, 0.0]), torch.tensor([2.0, 2.0, 0.0, 0.0]))}
    head, row = balance_table(use).splitlines()
    assert head.split("  ")[-1].strip() == "unused"
    # CV(1, 3, 0, 0) = sqrt(1.5) / 1, CV(2, 2, 0, 0) = 1, 2 of 4 experts without a token
    assert row.split() == ["encoder_2", "4", "1.225", "1.000", "2.000", "2"]


def test_unused_experts_balance_to_zero_where_there_is_no_token() -> None:
    nothing = torch.zeros(4)
    _, row = balance_table({"decoder_1": (nothing, nothing)}).splitlines()
    assert row.split() == ["decoder_1", "4", "0.000", "0.000", "0.000", "4"]
