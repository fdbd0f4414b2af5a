"""bench/step: ours is the training loop's step, the others train the same network."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator

import pytest
import torch

from ecrnn.bench import checks
from ecrnn.bench import step as bench
from ecrnn.bench.keras import Keras
from ecrnn.bench.settings import StepSettings as Settings
from ecrnn.core.devices import threads
from ecrnn.core.errors import EcrnnError
from ecrnn.models.build import build

SMALL = Settings("ecrnn-lstm-4", batch=2)


@pytest.mark.sampled(most=1)
@pytest.mark.parametrize("variant", ["stock", *bench.TUNED])
def test_the_opponents_learn_their_batch(variant: str) -> None:
    with threads(1):  # torch's recurrence on two threads takes minutes where other work has one of the cores
        once = bench.make(variant, Settings("ecrnn-bilstm-4", batch=4))
        losses = [once() for _ in range(8)]
    assert all(isinstance(loss, float) for loss in losses)
    assert losses[-1] < 0.9 * losses[0]


def test_ours_is_the_loops_step(monkeypatch: pytest.MonkeyPatch) -> None:
    networks: list[torch.nn.Module] = []
    steps: list[int] = []
    step = bench.Trainer.step

    def counted(self: bench.Trainer, positions: object) -> bool:
        steps.append(len(positions))  # type: ignore[arg-type]
        networks.append(self.model)
        return step(self, positions)

    monkeypatch.setattr(bench.Trainer, "step", counted)
    once = bench.make("ecrnn", SMALL)
    once()
    once()
    assert steps == [2, 2]
    assert networks[0].training
    before = build(SMALL.model).state_dict()
    after = networks[0].state_dict()
    assert all(not torch.equal(before[name], after[name]) for name in before if name.endswith("weight"))


def test_stock_is_contiguous_float32_and_tuned_is_not(monkeypatch: pytest.MonkeyPatch) -> None:
    seen = []
    autocast = bench.autocast
    monkeypatch.setattr(bench, "resolve_precision", lambda precision, device: "bfloat16")
    monkeypatch.setattr(bench, "autocast", lambda d, precision: seen.append(precision) or autocast(d, precision))
    adam = torch.optim.Adam
    monkeypatch.setattr(torch.optim, "Adam", lambda p, **given: seen.append(given["fused"]) or adam(p, **given))
    for variant in ("stock", "tuned"):
        bench.make(variant, SMALL)()
    assert seen == [False, "float32", True, "bfloat16"]


def test_a_measurement_has_what_a_reader_needs(
    stand_in: Callable, three_times: Callable, monkeypatch: pytest.MonkeyPatch
) -> None:
    three_times(bench)
    monkeypatch.setattr(bench.peak_memory, "measure", lambda what, variant, *rest: {"peak_mib": 1.0, "work_mib": 0.5})
    monkeypatch.setattr(checks, "check_first", lambda settings, backend: 5)  # tested for itself; the oracle is slow
    with Keras(stand_in(parameters=bench._parameters(SMALL.name)), 1) as keras:
        found = bench.measure(SMALL, 1, 2, keras=keras)
    assert list(found["variants"]) == ["ecrnn", "stock", *bench.TUNED, "keras-xla", "keras", "keras-bfloat16"]
    assert found["tuned_best"] in bench.TUNED
    assert found["keras_best"] == "keras"
    assert [found[f"ratio_{name}"] for name in ("stock", "tuned", "keras")] == [3, 3, 3]
    assert found["times_arithmetic"] == pytest.approx(0.1e3 / found["arithmetic_ms"], rel=1e-3)
    with_memory = {name for name, variant in found["variants"].items() if "peak_mib" in variant}
    assert with_memory == {"ecrnn", "stock", found["tuned_best"], "keras"}
    assert [layer["layer"] for layer in found["served"]] == ["lstm, 4 nodes, 1024 steps, batch 2, input 1"]
    assert found["checked_shapes"] == 5


def test_ours_keeps_the_memory_that_it_frees_as_a_training_does(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its first run, which takes fresh pages, is not timed."""
    order: list[str] = []

    @contextlib.contextmanager
    def kept() -> Iterator[None]:
        order.append("begin")
        yield
        order.append("end")

    monkeypatch.setattr(bench, "freed_memory_kept", kept)
    monkeypatch.setattr(bench, "timed", lambda once: lambda times: [once() for _ in range(times)] and 7.0)
    assert bench.in_kept_memory(lambda: order.append("step"))(3) == 7.0
    assert order == ["begin", *4 * ["step"], "end"]


def test_any_model_of_images_is_measured_alone(three_times: Callable, monkeypatch: pytest.MonkeyPatch) -> None:
    three_times(bench)
    monkeypatch.setattr(bench.arithmetic, "SIZE", 16)
    found = bench.measure(Settings("cnn-plus", batch=2), 1, 2, alone=True, with_memory=False)
    assert list(found["variants"]) == ["ecrnn"]
    assert found["times_arithmetic"] > 0
    assert not [key for key in found if key.startswith("ratio")]


def test_a_scan_of_ones_own_is_not_measured() -> None:
    with pytest.raises(EcrnnError, match="only models with the scan"):
        bench.make("stock", Settings("crnn-lstm-4@rows"))
