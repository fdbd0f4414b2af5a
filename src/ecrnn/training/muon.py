"""Muon: the filters of convolutions move in orthogonal directions, all other parameters by Adam.

Source: Jordan, Jin, Boza, You, Cesista, Newhouse and Bernstein, Muon: an optimizer for hidden layers in neural
networks (2024), https://kellerjordan.github.io/posts/muon; filters of constant norm as in its record on CIFAR-10.

A filter bank W (out, in, h, w) is taken as a matrix of ``out`` rows. A step adds the gradient to the momentum,
G <- momentum * G + gradient; looks ahead as Nesterov does, U = gradient + momentum * G; replaces U by the nearest
matrix with orthogonal rows or columns, nearly, so that no direction of a bank learns faster than another; and moves W
against it by ``lr * |W| / sqrt(out)``. Before each step W is brought back to the norm that it had at first: behind a
convolution without bias batch normalisation takes the norm out again, and a norm that grows would make the steps small.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim.adam import adam

MOMENTUM = 0.6
ADAM_SHARE = 1 / 120  # Adam's rate, of Muon's
ADAM_BETAS, ADAM_EPSILON = (0.9, 0.95), 1e-8
ITERATIONS = 3
COEFFICIENTS = (3.4445, -4.7750, 2.0315)  # the source's, which bring small singular values up fastest
EPSILON = 1e-7


class Muon(torch.optim.Optimizer):
    """Muon for parameters of four dimensions, Adam for the others.

    Args:
        parameters: of the network, in its order.
        lr: of Muon; relative to the norm of a filter, so that 0.24 is usual.
        weight_decay: times the weights, added to the gradients of those that Adam moves.
    """

    def __init__(self, parameters: Iterable[nn.Parameter], lr: float, weight_decay: float = 0.0) -> None:
        # "fused" has torch bring the counts of steps of a checkpoint to the device of the weights
        super().__init__(parameters, {"lr": lr, "weight_decay": weight_decay, "fused": True})

    @torch.no_grad()
    def step(self, closure: None = None) -> None:  # type: ignore[override]
        """One step of every parameter that has a gradient."""
        assert closure is None
        for group in self.param_groups:
            weights = [weight for weight in group["params"] if weight.grad is not None]
            for weight in weights:
                if weight.dim() == 4:
                    self._turn(weight, weight.grad, group["lr"])
            self._move([weight for weight in weights if weight.dim() != 4], group)

    def _turn(self, weight: Tensor, gradient: Tensor, lr: float) -> None:
        """A step of a filter bank."""
        state = self.state[weight]
        if not state:
            state["momentum_buffer"], state["norm"] = torch.zeros_like(weight), weight.norm()
        momentum, norm = state["momentum_buffer"], state["norm"]
        momentum.mul_(MOMENTUM).add_(gradient)
        ahead = gradient + MOMENTUM * momentum
        direction = orthogonalised(ahead.flatten(1)).view_as(weight)
        weight.mul_(norm / (weight.norm() + EPSILON))
        weight.sub_(lr * norm / len(weight) ** 0.5 * direction)

    def _move(self, weights: list[Tensor], group: dict[str, Any]) -> None:
        """A step of Adam, in torch's fused form."""
        states = [self.state[weight] for weight in weights]
        for weight, state in zip(weights, states, strict=True):
            if not state:
                state["step"] = torch.zeros((), device=weight.device)
                state["exp_avg"], state["exp_avg_sq"] = torch.zeros_like(weight), torch.zeros_like(weight)
        adam(
            weights,
            [weight.grad for weight in weights if weight.grad is not None],
            [state["exp_avg"] for state in states],
            [state["exp_avg_sq"] for state in states],
            [],
            [state["step"] for state in states],
            fused=True,
            amsgrad=False,
            beta1=ADAM_BETAS[0],
            beta2=ADAM_BETAS[1],
            lr=ADAM_SHARE * group["lr"],
            weight_decay=group["weight_decay"],
            eps=ADAM_EPSILON,
            maximize=False,
        )


def orthogonalised(matrix: Tensor) -> Tensor:
    """Nearly U V^T for a matrix U S V^T (rows, columns): its singular values between about 0.3 and 1.2.

    Values far below the largest, by a factor of 50 and more, stay smaller.
    """
    a, b, c = COEFFICIENTS
    tall = len(matrix) > matrix.shape[1]
    x = matrix.T if tall else matrix
    x = x / (x.norm() + EPSILON)
    for _ in range(ITERATIONS):
        gram = x @ x.T
        x = a * x + (b * gram + c * gram @ gram) @ x
    return x.T if tall else x
