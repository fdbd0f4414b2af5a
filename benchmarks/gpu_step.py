"""The training step on an NVIDIA card: ours beside the same network of torch.nn's layers, in alternating turns.

    python benchmarks/gpu_step.py --model ecrnn-bilstm-16 --batch 128

Ours is the step of the training loop, from the uint8 images on the card to the updated weights, with the recurrence by
Triton and by torch (cuDNN). "Stock" is the same network as a user of torch writes it, float32 and contiguous; "tuned"
has channels-last memory, autocast to bfloat16 and fused Adam. Their batches are ready on the card. Each step ends when
the card has done it. One JSON object; `--device cpu` tries the program where there is no card.
"""

from __future__ import annotations

import argparse
import json
import statistics
import time
from collections.abc import Callable

import numpy as np
import torch
import torch.nn.functional as F

from ecrnn.bench.torch_baseline import stock_like
from ecrnn.core.config import TrainingSettings
from ecrnn.core.devices import autocast, resolve, resolve_precision
from ecrnn.core.tasks import default
from ecrnn.data.image_set import make_image_set
from ecrnn.data.preprocessing import fit as fit_preprocessing
from ecrnn.data.splits import Split
from ecrnn.models.build import make
from ecrnn.models.names import parse
from ecrnn.models.processor import Processor
from ecrnn.models.spec import InputSpec
from ecrnn.recurrence import configure
from ecrnn.training.trainer import Trainer

IMAGE, CLASSES = (3, 32, 32), 10
Step = Callable[[], object]


def our_step(model: str, batch: int, device: str, backend: str) -> Step:
    draw = np.random.default_rng(1)
    images = draw.integers(0, 256, (4 * batch, *IMAGE[1:], IMAGE[0]), dtype=np.uint8)
    data = make_image_set("noise", images, draw.integers(0, CLASSES, len(images)), [str(k) for k in range(CLASSES)])
    split = Split(np.arange(len(data)), np.arange(0), "fraction", "all")
    settings = resolve(TrainingSettings(batch_size=batch, device=device, threads=torch.get_num_threads()))
    processor = Processor(default(), data.classes, fit_preprocessing(images, split.train))
    network = make(parse(model), InputSpec(IMAGE, CLASSES))
    configure(network, backend=backend)
    trainer = Trainer(network, default().code("objective")(data, split, processor, settings, 0), settings)
    network.train()
    positions = draw.permutation(len(data))[:batch]
    return lambda: trainer.step(positions)


def torchs_step(model: str, batch: int, device: str, tuned: bool) -> Step:
    network = stock_like(make(parse(model), InputSpec(IMAGE, CLASSES)), parse(model)).to(device)
    layout = torch.channels_last if tuned else torch.contiguous_format
    network.to(memory_format=layout).train()  # type: ignore[call-overload]
    optimizer = torch.optim.Adam(network.parameters(), lr=1e-3, fused=tuned)
    images = torch.randn(batch, *IMAGE, device=device).to(memory_format=layout)
    labels = torch.randint(0, CLASSES, (batch,), device=device)
    precision = resolve_precision("auto", device) if tuned else "float32"

    def step() -> float:
        optimizer.zero_grad()
        with autocast(device, precision):
            logits = network(images)
        loss = F.cross_entropy(logits.float(), labels)
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        return loss.item()

    return step


def milliseconds(step: Step, device: str) -> float:
    start = time.perf_counter()
    step()
    if device == "cuda":
        torch.cuda.synchronize()
    return (time.perf_counter() - start) * 1e3


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default="ecrnn-bilstm-16")
    parser.add_argument("--device", choices=("cuda", "cpu"), default="cuda")
    for name, number in (("batch", 128), ("rounds", 30)):
        parser.add_argument(f"--{name}", type=int, default=number)
    args = parser.parse_args()
    torch.manual_seed(0)
    given = (args.model, args.batch, args.device)
    ours = {"ours triton": "triton", "ours torch": "torch"} if args.device == "cuda" else {"ours": "auto"}
    steps = {name: our_step(*given, backend) for name, backend in ours.items()}
    steps |= {name: torchs_step(*given, tuned=name == "tuned") for name in ("stock", "tuned")}
    times: dict[str, list[float]] = {name: [] for name in steps}
    for counted in range(-3, args.rounds):
        for name, step in steps.items():
            taken = milliseconds(step, args.device)
            if counted >= 0:
                times[name].append(taken)
    medians = {name: statistics.median(taken) for name, taken in times.items()}
    first = next(iter(ours))
    found = {
        "settings": vars(args),
        "precision": resolve_precision("auto", args.device),
        "ms": {name: statistics.quantiles(taken, n=4) for name, taken in times.items()},
        "ratio_stock": medians["stock"] / medians[first],
        "ratio_tuned": medians["tuned"] / medians[first],
    }
    print(json.dumps(found, indent=2))


if __name__ == "__main__":
    main()
