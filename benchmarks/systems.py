"""Training steps of the models that read and write, against the same networks of torch.nn's own layers.

A step is that of the training loop at the task's default settings, from the data to the updated weights, for both: what
differs are the layers alone. Recurrent layers, batch normalisation and the stages of a CNN are ours, or torch's with
the same weights; sequences of many lengths are packed, as torch's users do. First both must give the same loss and
gradients; nothing is measured where they do not. Then each round times either once, in turn.

The data are random, with as many ids, pixels and steps as the data sets have by which these models are checked.

    python benchmarks/systems.py --rounds 15
    python benchmarks/systems.py --models charlm-gru-256,ocr --precision float32 --json
    python benchmarks/systems.py --batch 2 --rounds 1  # only to see that it runs
"""

from __future__ import annotations

import argparse
import copy
import json
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import nn

from ecrnn.bench.timing import alternate, ratio, summary, timed
from ecrnn.core.config import TrainingSettings, merge
from ecrnn.core.devices import available_cores, environment, freed_memory_kept, resolve, threads
from ecrnn.core.tasks import TASKS
from ecrnn.data import tokens
from ecrnn.data.preprocessing import Preprocessing
from ecrnn.data.splits import Split
from ecrnn.data.vocabulary import SPECIAL, Vocabulary
from ecrnn.layers.normalisation import EPS, MOMENTUM, BatchNorm1d, BatchNorm2d
from ecrnn.layers.stages import Stage
from ecrnn.models.build import make
from ecrnn.models.names import ModelName, parse
from ecrnn.models.processor import Processor
from ecrnn.recurrence import GRU, LSTM, RNN
from ecrnn.tasks.captioning.captions import SIZE, CaptionSet
from ecrnn.tasks.captioning.objective import Captioning
from ecrnn.tasks.language_modelling.corpus import make_corpus
from ecrnn.tasks.language_modelling.objective import NextToken
from ecrnn.tasks.text_recognition.lines import HEIGHT, LineSet
from ecrnn.tasks.text_recognition.objective import Transcription
from ecrnn.tasks.translation.objective import Translation
from ecrnn.tasks.translation.sentence_pairs import make_pair_set
from ecrnn.training.objective import Objective
from ecrnn.training.trainer import Trainer

MODELS = "charlm,charlm-gru-128,translate,translate-attention,caption,caption-attention,ocr"
CLOSE = 1e-4  # of losses and gradients, relative to the largest; another layer or order is far above
WIDTH = 128  # pixels of a captcha of the usual height
LETTERS = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.,!"  # 65, as Tiny Shakespeare has


# --- the networks of torch's layers


def torchs_layer(ours: LSTM | GRU | RNN) -> nn.Module:
    """torch.nn's layer of the same kind, sizes and weights; where ours has one bias vector, torch's second one is 0.

    The networks call either kind of layer by `call` of `ecrnn.recurrence.replacing`, which packs for torch's.
    """
    kind: Any = {"LSTM": nn.LSTM, "GRU": nn.GRU, "RNN_TANH": nn.RNN}[ours.mode]
    layer: nn.Module = kind(
        ours.input_size, ours.hidden_size, batch_first=ours.batch_first, bidirectional=ours.bidirectional
    )
    parameters = dict(ours.named_parameters())
    layer.load_state_dict(
        {name: parameters.get(name, torch.zeros_like(value)) for name, value in layer.state_dict().items()}
    )
    return layer


def stock(module: nn.Module) -> nn.Module:
    """A copy with torch's layers in the place of ours, and the same weights."""
    module = copy.deepcopy(module)
    if isinstance(module, LSTM | GRU | RNN):
        return torchs_layer(module)
    if isinstance(module, BatchNorm1d | BatchNorm2d):
        kind = nn.BatchNorm2d if isinstance(module, BatchNorm2d) else nn.BatchNorm1d
        norm = kind(module.num_features, eps=EPS, momentum=MOMENTUM)
        norm.load_state_dict(module.state_dict())
        return norm
    for name, child in module.named_children():
        setattr(module, name, stock(child))
    return nn.Sequential(*module) if isinstance(module, Stage) else module


def check_same(ours: nn.Module, baseline: nn.Module, objective: Objective, positions: np.ndarray) -> None:
    """End the program unless both give the same loss and, in float64, the same gradients, without dropout.

    In float32 rounding decides which of two nearly equal values max-pooling takes, so gradients of the convolutions
    before it differ by some percent between any two ways to compute them.
    """
    inputs, targets = objective.batch(positions, 0)
    exact = _cast(inputs, torch.float64)
    losses, gradients = [], []
    for network in (copy.deepcopy(ours), copy.deepcopy(baseline)):
        for module in network.modules():
            if isinstance(module, nn.Dropout):
                module.p = 0.0
        losses.append(objective.loss(network, inputs, targets).mean.item())
        objective.loss(network.double(), exact, targets).mean.backward()  # type: ignore[no-untyped-call]
        gradients.append({name: p.grad for name, p in network.named_parameters()})
    if not abs(losses[1] - losses[0]) <= CLOSE * losses[0]:
        raise SystemExit(f"the networks differ: their losses are {losses[0]:g} and {losses[1]:g}")
    for name, expected in gradients[0].items():
        error = float((gradients[1][name] - expected).abs().max() / expected.abs().max())
        if not error <= CLOSE:
            raise SystemExit(f"the networks differ: the gradients of {name} by {error:.1e}")


def _cast(inputs: Any, dtype: torch.dtype) -> Any:
    if isinstance(inputs, tuple):
        return tuple(_cast(part, dtype) for part in inputs)
    return inputs.to(dtype) if inputs.is_floating_point() else inputs


# --- the data, of the sizes of the sets in docs/systems.md


def next_token(batch: int, draw: np.random.Generator, settings: TrainingSettings) -> tuple[Processor, Objective]:
    """Blocks of 256 characters, 69 ids."""
    length = TASKS["next-token"].defaults["length"]
    text = "".join(draw.choice(list(LETTERS), 2 * batch * length + 1))
    processor = Processor(TASKS["next-token"], vocabulary=tokens.fit("characters", [LETTERS]), length=length)
    data = make_corpus("random", text, "", length)
    return processor, NextToken(data, everything(len(data)), processor, settings)


def translation(batch: int, draw: np.random.Generator, settings: TrainingSettings) -> tuple[Processor, Objective]:
    """Sentences of about 14 tokens, 6,000 ids, in batches of about one length as the loop makes them."""
    words = vocabulary(TASKS["translation"].defaults["vocabulary"])
    pairs = [(sentence(14, draw, words), sentence(15, draw, words)) for _ in range(50 * batch)]
    processor = Processor(
        TASKS["translation"], vocabulary=words, source_vocabulary=words, length=TASKS["translation"].defaults["length"]
    )
    return processor, Translation(make_pair_set("random", pairs), everything(len(pairs)), processor, settings)


def captioning(batch: int, draw: np.random.Generator, settings: TrainingSettings) -> tuple[Processor, Objective]:
    """Images of 96x96 with captions of about 11 words, 2,500 ids."""
    words = vocabulary(TASKS["captioning"].defaults["vocabulary"])
    images = draw.integers(0, 256, (batch, SIZE, SIZE, 3), dtype=np.uint8)
    texts = tuple((sentence(11, draw, words),) for _ in range(batch))
    preprocessing = Preprocessing((3, SIZE, SIZE), (127.5,), (74.0,))
    length = TASKS["captioning"].defaults["length"]
    processor = Processor(TASKS["captioning"], preprocessing=preprocessing, vocabulary=words, length=length)
    data = CaptionSet(images, texts, name="random", n_train=batch, fingerprint="")
    return processor, Captioning(data, everything(batch), processor, settings, 0)


def transcription(batch: int, draw: np.random.Generator, settings: TrainingSettings) -> tuple[Processor, Objective]:
    """Images of 32x128 that say five of 19 characters."""
    images = tuple(draw.integers(0, 256, (HEIGHT, WIDTH), dtype=np.uint8) for _ in range(batch))
    texts = tuple("".join(draw.choice(list(LETTERS[:19]), 5)) for _ in range(batch))
    preprocessing = Preprocessing((1, HEIGHT, WIDTH), (127.5,), (74.0,))
    processor = Processor(
        TASKS["transcription"], preprocessing=preprocessing, vocabulary=tokens.fit("characters", [LETTERS[:19]])
    )
    data = LineSet(images, texts, name="random", n_train=batch, fingerprint="")
    return processor, Transcription(data, everything(batch), processor, settings, 0)


DATA: dict[str, Callable[[int, np.random.Generator, TrainingSettings], tuple[Processor, Objective]]] = {
    "next-token": next_token,
    "translation": translation,
    "captioning": captioning,
    "transcription": transcription,
}


def vocabulary(size: int) -> Vocabulary:
    """So many ids, of made-up words."""
    return tokens.fit("words", (f"w{number}" for number in range(size - len(SPECIAL))))


def sentence(mean: int, draw: np.random.Generator, words: Vocabulary) -> str:
    """About ``mean`` words, a third of it more or less."""
    length = max(3, round(draw.normal(mean, mean / 3)))
    return words.decode(draw.integers(len(SPECIAL), len(words), length).tolist())


def everything(n: int) -> Split:
    """All examples train."""
    return Split(np.arange(n), np.arange(0), "fraction", "all")


# --- the measurement


def usual_batch(objective: Objective) -> np.ndarray:
    """The batch of an epoch whose longest example is of middling length."""
    batches = objective.order(0, 0)
    lengths = objective.lengths
    if lengths is not None:
        batches.sort(key=lambda positions: int(lengths[positions].max()))
    return batches[len(batches) // 2]


def step(network: nn.Module, objective: Objective, positions: np.ndarray) -> Callable[[], None]:
    """The trainer's step, so that what is measured is what trains."""
    trainer = Trainer(network, objective, objective.settings, label="benchmark")
    network.train()

    def run() -> None:
        finite = trainer.step(positions)
        assert finite

    return run


def measure(model: ModelName, chosen: argparse.Namespace) -> dict[str, Any]:
    """Check, then time the step of one model."""
    task = model.task
    if task.name not in DATA:
        raise SystemExit(f"{model} is for {task.name}; measured are models for {', '.join(DATA)}")
    options = {"device": "cpu", "precision": chosen.precision, "threads": chosen.threads}
    settings = resolve(TrainingSettings.read(merge(task.defaults["training"], options)))
    settings = settings.model_copy(update={"batch_size": chosen.batch or settings.batch_size})
    exact = settings.model_copy(update={"precision": "float32"})
    make_data = DATA[task.name]
    processor, objective = make_data(settings.batch_size, np.random.default_rng(0), settings)
    _, checked = make_data(settings.batch_size, np.random.default_rng(0), exact)
    positions = usual_batch(objective)
    ours = make(model, processor.sizes, 0)
    baseline = stock(ours)
    check_same(ours, baseline, checked, positions)
    networks = {"ecrnn": ours, "stock": baseline}
    times = alternate({name: timed(step(net, objective, positions)) for name, net in networks.items()}, chosen.rounds)
    return {
        "model": str(model),
        "batch": len(positions),
        "precision": settings.precision,
        "parameters": sum(p.numel() for p in ours.parameters()),
        **{name: summary(seconds) for name, seconds in times.items()},
        "ratio_stock": ratio(times["stock"], times["ecrnn"]),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--models", default=MODELS, help="names, with commas between them")
    parser.add_argument("--batch", type=int, help="examples a step; default: the task's own")
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--threads", type=int, default=available_cores())
    parser.add_argument("--precision", choices=("auto", "float32", "bfloat16"), help="default: the task's own")
    parser.add_argument("--json", action="store_true", help="one object in place of the table")
    chosen = parser.parse_args()
    found = []
    with threads(chosen.threads), freed_memory_kept():
        for model in chosen.models.split(","):
            found.append(measure(parse(model), chosen))
            if not chosen.json:
                print(line(found[-1]), flush=True)
    if chosen.json:
        whole = {"what": "systems", "threads": chosen.threads, "systems": found, "environment": environment()}
        print(json.dumps(whole, indent=1))


def line(one: dict[str, Any]) -> str:
    """One model's figures."""
    medians = "   ".join(f"{name} {one[name]['median_ms']:8.1f} ms" for name in ("ecrnn", "stock"))
    return f"{one['model']:20} batch {one['batch']:3} {one['precision']:8}   {medians}   ratio {one['ratio_stock']:.2f}"


if __name__ == "__main__":
    main()
