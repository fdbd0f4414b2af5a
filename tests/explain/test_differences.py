"""Central differences: a wrong gradient is found and named, a kink is not taken for one."""

import math

import pytest
import torch
from torch import nn

from ecrnn.core.errors import EcrnnError
from ecrnn.explain.differences import STEPS, TOLERANCE, check_tensors


class Slope(torch.autograd.Function):
    """x, or 3 x of whose derivative a part is lost."""

    @staticmethod
    def forward(ctx, x, lost):
        ctx.lost = lost
        return 3 * x

    @staticmethod
    def backward(ctx, d):
        return 3 * d * (1 - ctx.lost), None


class Net(nn.Module):
    def __init__(self, lost=0.0):
        super().__init__()
        self.a, self.b = nn.Linear(4, 6), nn.Linear(6, 1)
        self.lost = lost

    def forward(self, x):
        return self.b(Slope.apply(torch.tanh(self.a(x)), self.lost))


def checked(model, x, samples=100, **options):
    return check_tensors(model.double(), lambda: model(x.double()).square().mean(), samples, 0, **options)


@pytest.fixture(autouse=True)
def seeded():
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        yield


def test_right_gradients():
    found = checked(Net(), torch.randn(5, 4))
    assert [(t.name, t.shape, t.checked, t.kinks) for t in found] == [
        ("a.weight", (6, 4), 24, 0),
        ("a.bias", (6,), 6, 0),
        ("b.weight", (1, 6), 6, 0),
        ("b.bias", (1,), 1, 0),
    ]
    assert max(t.worst.error for t in found) < 1e-7


@pytest.mark.parametrize("lost", [1e-5, 0.1, 2.0])
def test_a_wrong_gradient_is_named(lost):
    wrong = [t for t in checked(Net(lost), torch.randn(5, 4)) if t.worst.error > TOLERANCE]
    assert [t.name for t in wrong] == ["a.weight", "a.bias"]
    worst = wrong[0].worst
    assert worst.analytic == pytest.approx((1 - lost) * worst.difference, abs=1e-6 * abs(worst.difference))
    assert worst.error == pytest.approx(lost / max(1, abs(1 - lost)), rel=0.02)


def test_one_wrong_number_of_a_large_tensor_is_among_the_sampled():
    """The largest gradient is always looked at."""
    model = nn.Linear(1000, 1, bias=False)
    model.weight.data[:] = 0.001
    x = torch.ones(3, 1000)
    x[:, 777] = 5
    model.weight.register_hook(lambda g: g + (torch.arange(1000) == 777))
    (found,) = checked(model, x, samples=3)
    assert found.checked == 3
    assert found.worst.index == (0, 777)
    assert found.worst.error > 0.01


def test_weights_are_put_back_and_nothing_stays_on_the_model():
    model = nn.Sequential(nn.Linear(4, 6), nn.ReLU(), nn.Linear(6, 1)).double()
    before = [p.clone() for p in model.parameters()]
    checked(model, torch.randn(5, 4))
    assert all(torch.equal(a, b) for a, b in zip(before, model.parameters(), strict=True))
    assert not model[1]._forward_hooks


@pytest.mark.parametrize(("distance", "step"), [(3e-6, STEPS[1]), (3e-7, STEPS[2]), (1.0, STEPS[0])])
def test_near_a_kink_the_step_is_smaller(distance, step):
    model = nn.Sequential(nn.Linear(1, 1, bias=False), nn.ReLU())
    model[0].weight.data[:] = distance
    (found,) = check_tensors(model.double(), lambda: model(torch.ones(1, 1).double()).sum(), 1, 0)
    assert (found.checked, found.kinks, found.worst.step) == (1, 0, step)
    assert found.worst.error < TOLERANCE


def test_at_the_kink_of_relu_nothing_is_judged():
    model = nn.Sequential(nn.Linear(1, 2, bias=False), nn.ReLU()).double()
    model[0].weight.data[:] = torch.tensor([[0.0], [1.0]])
    (found,) = check_tensors(model, lambda: model(torch.ones(1, 1).double()).sum(), 2, 0)
    assert (found.checked, found.kinks, found.worst.index) == (1, 1, (1, 0))


def test_at_a_tie_nothing_is_judged():
    model = nn.Sequential(nn.Linear(1, 4, bias=False), nn.MaxPool1d(2)).double()
    model[0].weight.data[:] = torch.tensor([[1.0], [1.0], [2.0], [0.0]])
    (found,) = check_tensors(model, lambda: model(torch.ones(1, 1, 1).double()).sum(), 4, 0)
    assert (found.checked, found.kinks) == (2, 2)
    assert found.worst.error < TOLERANCE


def test_a_kink_that_is_not_looked_for_is_no_right_gradient():
    """Across the kink of |w| a difference is nearly 0, and autograd says 1: wrong, not right by chance."""
    w = nn.Linear(1, 1, bias=False).double()
    w.weight.data[:] = 1e-8
    (found,) = check_tensors(w, lambda: w(torch.ones(1, 1).double()).abs().sum(), 1, 0)
    assert found.worst.error > 0.5


def test_what_is_not_finite():
    model = nn.Linear(1, 1).double()
    with pytest.raises(EcrnnError, match=r"^the error E is inf: there is nothing to compare$"):
        check_tensors(model, lambda: model.weight.sum() * 0 + math.inf, 1, 0)
    with pytest.raises(EcrnnError, match=r"^the gradient of weight is not finite$"):
        check_tensors(model, lambda: (0 * model.weight).sum().sqrt(), 1, 0)
