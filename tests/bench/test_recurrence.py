"""bench/recurrence: that what is timed is what it says, that it is checked first, and the grid."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import nn

from ecrnn.bench import checks
from ecrnn.bench import recurrence as bench
from ecrnn.bench.keras import Keras
from ecrnn.bench.settings import RecurrenceSettings as Settings
from ecrnn.core.errors import EcrnnError, UnknownNameError
from ecrnn.recurrence.checking import Wrong

TINY = Settings(hidden=3, steps=4, batch=2, input=2, backend="torch")


def test_a_call_is_forward_and_backward_from_the_last_state(monkeypatch: pytest.MonkeyPatch) -> None:
    seen = []
    made: nn.RNNBase = bench.layer("stock", Settings(hidden=3, steps=4, batch=2, layers=2, directions=2))
    monkeypatch.setattr(bench, "layer", lambda *arguments: made)
    made.register_forward_hook(lambda module, inputs, outputs: seen.append(inputs))
    once = bench.make("stock", Settings(hidden=3, steps=4, batch=2, layers=2, directions=2))
    once()
    once()
    x = seen[1][0]
    assert x.shape == (2, 4, 1)
    assert x is seen[0][0]
    gradients = {name: p.grad.clone() for name, p in made.named_parameters()}
    given = torch.randn(2, 2, 3, generator=_after_x())
    made.zero_grad()
    other = x.detach().clone().requires_grad_()
    made(other)[1][0][-2:].backward(given)
    torch.testing.assert_close(x.grad, other.grad)  # of one call, not of two
    torch.testing.assert_close(gradients, {name: p.grad for name, p in made.named_parameters()})


def _after_x() -> torch.Generator:
    generator = torch.Generator().manual_seed(1)
    torch.randn(2, 4, 1, generator=generator)
    return generator


def test_the_loss_may_see_all_outputs(monkeypatch: pytest.MonkeyPatch) -> None:
    made = checks.layer("stock", settings := Settings(hidden=3, steps=4, batch=2, directions=2, all_outputs=True))
    monkeypatch.setattr(bench, "layer", lambda *given: made)
    seen: list[torch.Tensor] = []
    made.register_forward_hook(lambda module, inputs, outputs: seen.append(inputs[0]))
    bench.make("stock", settings)()
    other = seen[0].detach().clone().requires_grad_()
    made(other)[0].backward(torch.randn(2, 4, 6, generator=_after_x()))
    torch.testing.assert_close(seen[0].grad, other.grad)


def test_forward_only_keeps_nothing_for_a_backward_pass() -> None:
    last = bench.make("stock", Settings(hidden=3, steps=4, batch=2, forward_only=True))()
    assert isinstance(last, torch.Tensor)
    assert last.shape == (1, 2, 3)
    assert not last.requires_grad


def test_a_measurement_has_what_a_reader_needs(three_times: Callable) -> None:
    three_times(bench)
    found = bench.measure(TINY, 1, 3, with_memory=False)
    assert found["served"] == {"backend": "torch", "reason": "named"}
    assert found["checked_shapes"] == 5
    assert list(found["variants"]) == ["ecrnn", "stock"]
    assert found["variants"]["stock"]["n"] == 3
    assert found["ratio_stock"] == 3
    assert "ratio_keras" not in found
    assert {"cell", "hidden", "steps", "batch", "input", "layers", "directions", "cutoff", "backend"} <= set(found)


def test_the_best_of_keras_is_the_opponent(stand_in: Callable, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bench.peak_memory, "measure", lambda *given: {"peak_mib": 1.0, "work_mib": 0.5})
    with Keras(stand_in(), 1) as keras:
        found = bench.measure(TINY, 1, 3, keras=keras)
    assert found["keras_best"] == "keras"
    assert found["variants"]["keras"]["median_ms"] == 50
    assert found["variants"]["keras"]["peak_mib"] == 500
    assert "peak_mib" not in found["variants"]["keras-xla"]
    assert found["variants"]["stock"]["work_mib"] == 0.5
    ours = found["variants"]["ecrnn"]
    low, high = (50 / end for end in sorted(ours["quartiles_ms"], reverse=True))
    assert 0.999 * low <= found["ratio_keras"] <= 1.001 * high  # all three are rounded


def test_nothing_is_measured_that_is_not_right(monkeypatch: pytest.MonkeyPatch) -> None:
    from ecrnn.recurrence import LSTM

    def wrong(self, input, hx=None, **options):  # type: ignore[no-untyped-def]
        output, (h, c) = nn.LSTM.forward(self, input, hx)
        return output, (h * (1 + 2e-5), c)

    monkeypatch.setattr(LSTM, "forward", wrong)
    monkeypatch.setattr(bench, "alternate", lambda *arguments, **options: pytest.fail("measured"))
    with pytest.raises(Wrong, match=r"lstm, 3 nodes, 4 steps, batch 2, input 2: \w+: relative error"):
        bench.measure(TINY, 1, 3)
    with pytest.raises(Wrong):
        checks.check_grid([TINY], 1)


def test_the_grid_is_the_issues_without_what_does_not_fit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bench, "available_bytes", lambda: 2**60)
    full = list(bench.grid(Settings("gru", directions=2, cutoff=0.0), "full"))
    assert len(full) == len(set(full)) == 7 * 5 * 4 * 4
    assert {s.hidden for s in full} == {8, 16, 32, 64, 128, 256, 512}
    assert {s.steps for s in full} == {1, 16, 128, 1024, 4096}
    assert {s.batch for s in full} == {1, 16, 128, 1024}
    assert {s.input for s in full} == {1, 16, 64, 512}
    assert {(s.cell, s.directions, s.cutoff) for s in full} == {("gru", 2, 0.0)}
    monkeypatch.setattr(bench, "available_bytes", lambda: 8 * 2**30)
    fits = list(bench.grid(Settings("gru", directions=2), "full"))
    assert 300 < len(fits) < len(full)
    assert not any(s.hidden == 512 and s.steps == 4096 and s.batch == 1024 for s in fits)
    with pytest.raises(UnknownNameError, match="unknown grid 'smal', did you mean 'small'"):
        list(bench.grid(Settings(), "smal"))


def test_a_grid_in_a_few_figures() -> None:
    shapes = [
        {"cell": "lstm", "hidden": h, "steps": 1, "batch": 1, "input": 1, "ratio_stock": r}
        for h, r in ((8, 2.0), (64, 8.0), (128, 0.9))
    ]
    summary = bench.grid_summary(shapes)
    assert summary["smallest_ratio_stock"] == 0.9
    assert summary["geometric_mean_ratio_stock_hidden_up_to_64"] == 4.0
    assert [shape["hidden"] for shape in summary["shapes_under_0.95"]] == [128]
    assert bench.grid_summary(shapes[2:])["geometric_mean_ratio_stock_hidden_up_to_64"] is None


def test_a_system_that_does_not_say_its_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    def nothing(*arguments: object, **options: object) -> None:
        raise FileNotFoundError

    monkeypatch.setattr("builtins.open", nothing)
    with pytest.raises(EcrnnError, match="does not say how much memory is free"):
        bench.available_bytes()
