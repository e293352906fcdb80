"""Functions that are not compiled, and that do not load the compiler."""

import subprocess
import sys

import torch

from moe_nmt.moe.eager import eager


def test_the_layer_does_not_load_the_compiler() -> None:
    program = "import sys, moe_nmt.moe; sys.exit('torch._dynamo' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", program]).returncode == 0


def test_compiled_code_calls_the_function_itself() -> None:
    compiled = []

    @eager
    def double(x: torch.Tensor) -> torch.Tensor:
        """Knows whether it is compiled."""
        compiled.append(torch.compiler.is_compiling())
        return x * 2

    def outer(x: torch.Tensor) -> torch.Tensor:
        return double(x + 1) + 1

    x = torch.tensor([1.0, 2.0], requires_grad=True)
    y = torch.compile(outer, backend="eager")(x)
    assert y.tolist() == [5, 7]
    y.sum().backward()
    assert x.grad is not None
    assert x.grad.tolist() == [2, 2]
    assert compiled == [False]
    assert double.__doc__ == "Knows whether it is compiled."
