"""The gradient check of models: all kinds pass, and each of its three checks sees what is broken."""

import pytest
import torch
from torch import nn

from ecrnn.core.errors import EcrnnError
from ecrnn.explain import gradcheck as module
from ecrnn.explain.gradcheck import gradcheck
from ecrnn.models.build import build

SMALL = {"image": (1, 8, 8), "classes": 3, "samples": 3}


@pytest.mark.parametrize("name", ["rnn", "lstm", "gru", "mlp", "mlp-squared"])
def test_by_hand(name):
    found = gradcheck(name, **SMALL)
    assert found.good
    assert found.by_hand.error < 1e-14
    assert len(found.kernels) == (name in ("rnn", "lstm", "gru"))


@pytest.mark.sampled(most=2)
@pytest.mark.parametrize("name", ["cnn", "ecnn", "crnn-bigru-4", "ecrnn-lstm-3-3", "crnn-rnn-4@rows"])
def test_models(name):
    found = gradcheck(name, **SMALL)
    assert found.good, found.wrong
    model = build(name, (1, 8, 8), 3)
    assert [(t.name, t.shape) for t in found.tensors] == [(n, tuple(p.shape)) for n, p in model.named_parameters()]
    assert all(t.checked + t.kinks == min(3, p.numel()) for t, p in zip(found.tensors, model.parameters(), strict=True))
    assert [kernel.layer for kernel in found.kernels] == [
        n for n, m in model.named_modules() if isinstance(m, nn.RNNBase)
    ]
    assert found.by_hand is None


@pytest.mark.parametrize("name", ["lenet5", "lenet5-1998"])
def test_the_classics_at_the_size_they_were_made_for(name):
    found = gradcheck(name, samples=1)
    assert found.good, found.wrong
    assert found.parameters > 60_000


def test_a_wrong_derivative_in_a_model(monkeypatch):
    """A logit whose gradient loses a thousandth."""
    make = module.make

    def broken(*given):
        model = make(*given)
        model.head.register_full_backward_hook(lambda m, d_in, d_out: (d_in[0] * 0.999,))
        return model

    monkeypatch.setattr(module, "make", broken)
    found = gradcheck("cnn", **SMALL)
    assert not found.good
    assert {t.name.split(".")[0] for t in found.wrong} == {"cnn"}
    assert found.wrong[0].worst.error == pytest.approx(1e-3, rel=0.05)


def test_wrong_equations_by_hand(monkeypatch):
    rule = module.delta_rule

    def broken(*given):
        error, gradients = rule(*given)
        gradients["output.bias"] = gradients["output.bias"] * (1 + 1e-9)
        return error, gradients

    monkeypatch.setattr(module, "delta_rule", broken)
    found = gradcheck("mlp", **SMALL)
    assert (found.good, found.wrong, found.by_hand.tensor) == (False, [], "output.bias")


def test_wrong_kernels(monkeypatch):
    def broken(layer, case):
        raise EcrnnError("d_x: off")

    monkeypatch.setattr(module, "check", broken)
    found = gradcheck("gru", **SMALL)
    assert (found.good, found.wrong, found.kernels[0].fault) == (False, [], "d_x: off")


@pytest.mark.slow
def test_kernels_are_checked_with_the_models_own_weights(monkeypatch):
    seen = []
    monkeypatch.setattr(module, "check", lambda layer, case: seen.append((layer, case)))
    gradcheck("crnn-bilstm-4", **SMALL | {"samples": 1})
    weight = build("crnn-bilstm-4", (1, 8, 8), 3).rnn.layers[0].weight_hh_l0
    assert all(torch.equal(layer.weight_hh_l0, weight) for layer, _ in seen)
    assert {(case.cell, case.hidden, case.directions) for _, case in seen} == {("lstm", 4, 2)}


def test_dropout_is_off_so_that_the_error_is_a_function(monkeypatch):
    make = module.make

    def dropping(*given):
        model = make(*given)
        model.head = nn.Sequential(nn.Dropout(0.5), model.head)
        return model

    monkeypatch.setattr(module, "make", dropping)
    assert gradcheck("cnn", **SMALL).good


def test_the_seed_decides():
    one, same, other = (gradcheck("gru", samples=2, seed=seed) for seed in (1, 1, 2))
    assert one == same
    assert one.loss != other.loss


def test_wrong_calls():
    with pytest.raises(EcrnnError, match=r"^--samples must be at least 1, not 0$"):
        gradcheck("mlp", samples=0)
    with pytest.raises(EcrnnError, match=r"^unknown model 'cmn', names are alexnet, "):
        gradcheck("cmn")
