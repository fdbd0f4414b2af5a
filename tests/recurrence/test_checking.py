"""recurrence/checking: a right layer passes, and each thing that can be wrong is seen."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import nn

from ecrnn.core.errors import EcrnnError
from ecrnn.recurrence.checking import Case, Wrong, awkward, check, check_same

KINDS: dict[str, Callable[..., nn.RNNBase]] = {
    "lstm": nn.LSTM,
    "gru": nn.GRU,
    "rnn_tanh": nn.RNN,
    "rnn_relu": lambda *sizes, **options: nn.RNN(*sizes, nonlinearity="relu", **options),
}


def layer(case: Case) -> nn.RNNBase:
    both = case.directions == 2
    return KINDS[case.cell](case.input, case.hidden, num_layers=case.layers, batch_first=True, bidirectional=both)


@pytest.mark.sampled(cover=1, slow=3)
@pytest.mark.parametrize("cell", KINDS)
@pytest.mark.parametrize(("layers", "directions"), [(1, 1), (1, 2), (2, 2)])
def test_torch_is_right(cell: str, layers: int, directions: int) -> None:
    case = Case(cell, 5, 9, 3, 2, layers, directions)
    made = layer(case)
    for one in (case, *awkward(case)):
        check(made, one)
        check(made.double(), one)
        made.float()


def test_awkward_shapes_are_of_the_same_layer() -> None:
    case = Case("gru", 7, 1000, 100, 3, 2, 2)
    shapes = list(awkward(case))
    assert {one._replace(steps=1000, batch=100) for one in shapes} == {case}
    assert {1, 2, 65} <= {one.steps for one in shapes}
    assert 1 in {one.batch for one in shapes}


class Broken(nn.LSTM):
    """An LSTM whose result goes through ``harm``."""

    def __init__(self, harm: Callable[[torch.Tensor, torch.Tensor, torch.Tensor], tuple]) -> None:
        super().__init__(2, 5, batch_first=True)
        self.harm = harm

    def forward(self, x, initial=None):  # type: ignore[no-untyped-def, override]
        output, (h, c) = super().forward(x, initial)
        output, h, c = self.harm(output, h, c)
        return output, (h, c)


class Scaled(torch.autograd.Function):
    """The identity, with a gradient a little too large."""

    @staticmethod
    def forward(ctx, x):  # type: ignore[no-untyped-def]
        return x.clone()

    @staticmethod
    def backward(ctx, d):  # type: ignore[no-untyped-def]
        return d * (1 + 2e-5)


@pytest.mark.parametrize(
    ("harm", "said"),
    [
        (lambda output, h, c: (output * (1 + 2e-5), h, c), "output: relative error"),
        (lambda output, h, c: (output, h + (h * float("nan")).detach(), c), "h_n: actual is nan"),
        (lambda output, h, c: (output, h, c + (2e-5 * c).detach()), "c_n: relative error"),
        (lambda output, h, c: (Scaled.apply(output), h, c), "d_x: relative error"),
        (lambda output, h, c: (output, Scaled.apply(h), c), "d_"),
    ],
)
def test_a_wrong_layer_is_seen(harm: Callable, said: str) -> None:
    case = Case("lstm", 5, 9, 3, 2)
    with pytest.raises(Wrong, match=said) as raised:
        check(Broken(harm), case)
    assert isinstance(raised.value, EcrnnError)
    assert str(raised.value).startswith("lstm, 5 nodes, 9 steps, batch 3, input 2: ")
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize("cell", KINDS)
def test_two_layers_are_the_same_or_not(cell: str) -> None:
    case = Case(cell, 5, 9, 3, 2, 2, 2)
    one, other = layer(case), layer(case)
    with pytest.raises(Wrong, match="relative error"):
        check_same(one, other, case)
    other.load_state_dict(one.state_dict())
    check_same(one, other, case)


@pytest.mark.parametrize(("with_states", "said"), [(True, "d_x: relative error"), (False, "loss at the last state")])
def test_one_bit_is_seen(with_states: bool, said: str) -> None:
    class OneBit(nn.LSTM):
        def forward(self, x, initial=None):  # type: ignore[no-untyped-def, override]
            output, (h, c) = super().forward(x, initial)
            return output, (h * (1 + 2.0**-23) if (initial is not None) == with_states else h, c)

    case = Case("lstm", 5, 9, 3, 2)
    right, wrong = layer(case), OneBit(2, 5, batch_first=True)
    wrong.load_state_dict(right.state_dict())
    with pytest.raises(Wrong, match=said):
        check_same(wrong, right, case)


class WrongWithoutInitialStates(nn.LSTM):
    """Right as long as initial states are given, as where only one of two paths is broken."""

    def forward(self, x, initial=None):  # type: ignore[no-untyped-def, override]
        output, (h, c) = super().forward(x, initial)
        return output, (h if initial is not None else h * (1 + 2e-5), c)


def test_the_path_with_a_loss_at_the_last_state_alone_is_looked_at() -> None:
    with pytest.raises(Wrong, match="loss at the last state"):
        check(WrongWithoutInitialStates(2, 5, batch_first=True), Case("lstm", 5, 9, 3, 2))
