"""The backend "cpu-bfloat16": the C++ kernels with bfloat16 in the product with the states.

States and recurrent weights are rounded for that product, which makes it faster (figures are in
docs/decisions/recurrence-kernels.md), and is why it serves only by name. Sums, products with the inputs, gates, states
and gradients are float32; the gradient is that of the product without rounding. It needs a processor with the AVX-512
instructions for bfloat16.
"""

from __future__ import annotations

from functools import partial
from typing import Any

from ecrnn.recurrence import cpu

__all__ = ["available", "backward", "forward", "obstacle"]

available = cpu.available


def obstacle(shape: Any) -> str | None:
    """In a few words why no shape can be served on this machine, or None."""
    return None if cpu.bfloat16_instructions() else "this processor has no AVX-512 instructions for bfloat16"


forward = partial(cpu.forward, instruction_set="avx512_bfloat16")
backward = partial(cpu.backward, instruction_set="avx512_bfloat16")
