"""--recompute-experts changes the memory that training needs, and nothing else."""

import pytest
import torch
from small_models import MIXTURES, SIZES, build, collate, dictionary, sentences, task_of
from torch import Tensor

from moe_nmt.criterions.balanced_cross_entropy import BalancedCrossEntropy


def step(mixture: str, recompute: bool) -> tuple[Tensor, dict[str, Tensor], int, int]:
    """Loss, gradients, how many numbers wait for the backward pass, and assignments."""
    options: dict[str, object] = {**MIXTURES[mixture], "dropout": 0.2}
    model = build(recompute_experts=recompute, **options).train()
    words = dictionary()
    criterion = BalancedCrossEntropy(task_of(words, words), 0.1, 0.1, 0.1, 0, False)
    batch = collate(sentences(5, 3, 9), sentences(6, 4, 2, seed=2))
    kept = 0

    def count(tensor: Tensor) -> Tensor:
        nonlocal kept
        kept += tensor.numel()
        return tensor

    torch.manual_seed(3)
    with torch.autograd.graph.saved_tensors_hooks(count, lambda tensor: tensor):
        loss, _, _ = criterion(model, batch)
    loss.backward()
    gradients = {name: p.grad for name, p in model.named_parameters() if p.grad is not None}
    torch.manual_seed(3)
    _, extra = model(**batch["net_input"])
    assignments = sum(routing.expert.numel() for routing in extra["routings"].values())
    return loss.detach(), gradients, kept, assignments


@pytest.mark.parametrize("mixture", MIXTURES)
def test_the_same_loss_and_gradients_with_less_memory(mixture: str) -> None:
    loss, gradients, kept, assignments = step(mixture, recompute=False)
    loss_again, gradients_again, kept_again, _ = step(mixture, recompute=True)
    assert torch.equal(loss, loss_again)
    assert gradients.keys() == gradients_again.keys()
    for name, gradient in gradients.items():
        assert torch.equal(gradient, gradients_again[name]), name
    # The hidden units of every assignment; rows of padding, where there are any, come on top.
    assert kept - kept_again >= assignments * int(str(SIZES["expert_hidden"]))
    assert (kept > kept_again) == (mixture != "none")
