"""`ecrnn bench step`: one training step at a time, ours against the same network in torch and in Keras.

* ecrnn: the step of the training loop itself, from the uint8 images of a data set to the updated weights.
* stock: as a user of torch writes it: torch.nn's layers, float32, contiguous, plain Adam.
* tuned: the same with channels-last memory, bfloat16 autocast where the hardware has it, and fused Adam. Under autocast
  torch's recurrent layers compute in bfloat16 too; outside, in float32: both are tried.
* keras: `ecrnn.bench.keras_worker`, in float32 with XLA and without, and in bfloat16.

The batches of the opponents are ready on the device, standardised; only ours gathers and standardises its own. Ours
keeps the memory that it frees, as a training does; glibc's own settings are the opponents'. In each round the rate of
the machine is measured too (`ecrnn.bench.arithmetic`).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn

from ecrnn.bench import arithmetic, peak_memory
from ecrnn.bench.checks import check_recurrence
from ecrnn.bench.keras import Keras
from ecrnn.bench.settings import StepSettings
from ecrnn.bench.timing import Run, alternate, best, ratio, summary, timed
from ecrnn.bench.torch_baseline import stock_like
from ecrnn.core.config import TrainingSettings
from ecrnn.core.devices import autocast, freed_memory_kept, resolve, resolve_precision
from ecrnn.core.devices import threads as threads_set
from ecrnn.core.tasks import default
from ecrnn.data.image_set import make_image_set
from ecrnn.data.preprocessing import fit as fit_preprocessing
from ecrnn.data.splits import Split
from ecrnn.models.build import make as make_network
from ecrnn.models.names import ModelName
from ecrnn.models.processor import Processor
from ecrnn.models.spec import InputSpec
from ecrnn.models.summary import summarise
from ecrnn.training.trainer import Trainer

IMAGE, CLASSES = (3, 32, 32), 10
TUNED = ("tuned", "tuned-float32-rnn")


def make(variant: str, settings: StepSettings) -> Callable[[], object]:
    """One step of a variant: "ecrnn", "stock", or one of `TUNED`, from the same initial weights."""
    ours = make_network(settings.name, InputSpec(IMAGE, CLASSES))
    if variant == "ecrnn":
        return _our_step(ours, settings)
    network = stock_like(ours, settings.name)
    tuned = variant in TUNED
    layout = torch.channels_last if tuned else torch.contiguous_format
    network.to(memory_format=layout)  # type: ignore[call-overload]
    if variant == "tuned-float32-rnn":
        network.recurrent = nn.ModuleList(_Float32(layer) for layer in network.recurrent)
    precision = resolve_precision(settings.precision, "cpu") if tuned else "float32"
    optimizer = torch.optim.Adam(network.parameters(), lr=1e-3, fused=tuned)
    generator = torch.Generator().manual_seed(1)
    images = torch.randn(settings.batch, *IMAGE, generator=generator).to(memory_format=layout)
    labels = torch.randint(0, CLASSES, (settings.batch,), generator=generator)
    network.train()

    def step() -> float:
        optimizer.zero_grad()
        with autocast("cpu", precision):
            logits = network(images)
        loss = F.cross_entropy(logits.float(), labels)
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        return loss.item()

    return step


class _Float32(nn.Module):
    """A recurrent layer that computes in float32 also under autocast."""

    def __init__(self, layer: nn.Module) -> None:
        super().__init__()
        self.layer = layer

    def forward(self, x: torch.Tensor) -> Any:
        with torch.autocast("cpu", enabled=False):
            return self.layer(x.float())


def _our_step(network: nn.Module, settings: StepSettings) -> Callable[[], object]:
    draw = np.random.default_rng(1)
    images = draw.integers(0, 256, (4 * settings.batch, *IMAGE[1:], IMAGE[0]), dtype=np.uint8)
    labels = draw.integers(0, CLASSES, len(images))
    data = make_image_set("noise", images, labels, [str(k) for k in range(CLASSES)])
    split = Split(np.arange(len(data)), np.arange(0), "fraction", "all")
    sizes = {"batch_size": settings.batch, "threads": torch.get_num_threads()}
    machine = {"device": "cpu", "precision": settings.precision}
    training = resolve(TrainingSettings.read({**settings.name.row.recipe, **sizes, **machine}))
    processor = Processor(default(), data.classes, fit_preprocessing(images, split.train))
    task = default().code("objective")(data, split, processor, training, 0)
    trainer = Trainer(network, task, training, label="bench")
    network.train()
    positions = draw.permutation(len(data))[: settings.batch]

    def step() -> None:
        finite = trainer.step(positions)
        assert finite

    return step


def in_kept_memory(once: Callable[[], object]) -> Run:
    """A variant that keeps the memory that it frees, from a run before those that are timed on."""

    def run(times: int) -> float:
        with freed_memory_kept():
            once()  # which takes the fresh pages, as the first step of a training does
            return timed(once)(times)

    return run


def measure(
    settings: StepSettings,
    threads: int,
    rounds: int,
    *,
    keras: Keras | None = None,
    alone: bool = False,
    with_memory: bool = True,
    tick: Callable[[int, int], None] | None = None,
) -> dict[str, Any]:
    """Check, then measure the step of one model.

    Args:
        settings: model and batch.
        threads: number of threads of every variant.
        rounds: number of alternating measurements of each variant.
        keras: a process in which Keras trains the same network, or None.
        alone: leave torch's variants out; so any model of images can be measured.
        with_memory: measure peak memory too, in fresh processes.
        tick: called after each round.

    Returns:
        Plain data for JSON.

    Raises:
        EcrnnError: an opponent is another network, or the recurrence is not right.
    """
    precision = resolve_precision(settings.precision, "cpu")
    tuned = () if alone else TUNED if settings.name.nodes else TUNED[:1]
    others = () if alone else ("stock", *tuned)
    with threads_set(threads):
        checked = check_recurrence(settings.name, settings.batch, threads)
        ours = {"ecrnn": in_kept_memory(make("ecrnn", settings))}
        runs = ours | {variant: timed(make(variant, settings)) for variant in others}
        opponents = keras.step(settings, _parameters(settings.name)) if keras else {}
        network = make_network(settings.name, InputSpec(IMAGE, CLASSES))
        counts = arithmetic.multiply_adds(network, torch.randn(settings.batch, *IMAGE), precision)
        rates = {name: timed(product) for name, product in arithmetic.products(list(counts)).items()}
        times = alternate({**runs, **opponents, **rates}, rounds, pause=0.01 if opponents else 0.0, tick=tick)
    variants: dict[str, Any] = {name: summary(seconds) for name, seconds in times.items() if name not in rates}
    found = {
        **asdict(settings),
        "precision": precision,
        **checked,
        "variants": variants,
        **arithmetic.beside(counts, times["ecrnn"], {name: times[name] for name in rates}),
    }
    if others:
        found["ratio_stock"] = ratio(times["stock"], times["ecrnn"])
        found["tuned_best"] = best(times, tuned)
        found["ratio_tuned"] = ratio(times[found["tuned_best"]], times["ecrnn"])
    if opponents:
        found["keras_best"] = best(times, list(opponents))
        found["ratio_keras"] = ratio(times[found["keras_best"]], times["ecrnn"])
    if with_memory:
        for variant in ("ecrnn", *(("stock", found["tuned_best"]) if others else ())):
            variants[variant] |= peak_memory.measure(make, variant, threads, settings)
        if keras and opponents:
            variants[found["keras_best"]] |= keras.step_memory(settings, found["keras_best"])
    return found


def _parameters(model: ModelName) -> int:
    spec = InputSpec(IMAGE, CLASSES)
    return summarise(make_network(model, spec), spec).parameters
