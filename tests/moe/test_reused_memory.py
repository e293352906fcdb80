"""Memory is handed out again when, and only when, nothing uses it any more."""

import copy
import pickle
import time

import torch
from threads import in_threads

from moe_nmt.moe.reused_memory import ReusedMemory


def take(memory, *shape, dtype=torch.float32):
    return memory.empty(shape, dtype, torch.device("cpu"))


def test_memory_without_a_user_is_handed_out_again():
    memory = ReusedMemory()
    one = take(memory, 30, 4)
    place = one.data_ptr()
    del one
    assert take(memory, 30, 4).data_ptr() == place


def test_memory_in_use_is_not():
    memory = ReusedMemory()
    one = take(memory, 30, 4)
    row = one.fill_(1.0)[3]
    del one
    other = take(memory, 30, 4).fill_(2.0)
    assert row.tolist() == [1.0] * 4
    assert other.data_ptr() != row.data_ptr() - 3 * 4 * 4


def test_a_block_serves_tensors_of_any_type_from_half_its_size_on():
    memory = ReusedMemory()
    place = take(memory, 100).data_ptr()
    for shape, dtype in (((12, 11), torch.bfloat16), ((7, 8), torch.float64), ((100,), torch.int)):
        assert take(memory, *shape, dtype=dtype).data_ptr() == place
    assert take(memory, 100, dtype=torch.bfloat16).data_ptr() != place
    assert take(memory, 200).data_ptr() != place


def test_blocks_do_not_pile_up_when_sizes_change():
    memory = ReusedMemory()
    for size in range(1000, 3000, 50):
        take(memory, size)
    assert len(memory._blocks) <= 2


def test_an_empty_tensor_needs_no_memory():
    memory = ReusedMemory()
    assert take(memory, 0, 5).shape == (0, 5)
    assert memory._blocks == []


def test_copies_start_empty():
    memory = ReusedMemory()
    take(memory, 10)
    for other in (copy.deepcopy(memory), pickle.loads(pickle.dumps(memory))):
        assert other._blocks == []


def test_a_gradient_is_taken_over_without_a_copy():
    memory, places = ReusedMemory(), []

    class Square(torch.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            ctx.save_for_backward(x)
            return x.square().sum()

        @staticmethod
        def backward(ctx, grad):
            (x,) = ctx.saved_tensors
            out = memory.empty(x.shape, x.dtype, x.device)
            places.append(out.data_ptr())
            return torch.mul(2 * grad, x, out=out)

    weight = torch.ones(50, requires_grad=True)
    for _ in range(3):
        weight.grad = None
        Square.apply(weight).backward()
        assert weight.grad.data_ptr() == places[-1]
        assert weight.grad.tolist() == [2.0] * 50
    assert len(set(places)) == 1
    Square.apply(weight).backward()  # accumulates: the first gradient is still in use
    assert weight.grad.tolist() == [4.0] * 50
    assert places[-1] != places[0]


class Slow(list):
    """A list whose thread is interrupted before it removes an entry."""

    def remove(self, entry):
        time.sleep(1e-4)
        super().remove(entry)


def test_threads_never_share_a_block():
    memory = ReusedMemory()
    memory._blocks = Slow()

    def work(own):
        for step in range(50):
            mine = [take(memory, 64 + step % 7).fill_(own) for _ in range(3)]
            if not all((tensor == own).all() for tensor in mine):
                return False
            mine.clear()
        return True

    assert in_threads(6, work) == [True] * 6
    assert len(memory._blocks) <= 6 * 3  # as many as were in use at once
