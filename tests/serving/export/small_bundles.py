"""Bundles of small untrained networks of any exportable task, to be exported."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from ecrnn.data.preprocessing import Preprocessing
from ecrnn.data.tokens import fit
from ecrnn.layers.normalisation import BatchNorm1d, BatchNorm2d
from ecrnn.models.build import make
from ecrnn.models.names import parse
from ecrnn.models.processor import Processor
from ecrnn.serving.bundle import write_bundle

CLASSES = ("ant", "bee", '<b>cat</b> & "dog"')
TEXTS = ("a red dog runs, and a blue cat sits", "the blue dog's cat doesn't run!")


def write(
    folder: Path,
    name: str,
    image: tuple[int, int, int] = (3, 16, 20),
    metrics: dict[str, Any] | None = None,
    **more: Any,
) -> Path:
    """A bundle of the model ``name`` with weights of seed 3 and batch statistics that are not 0 and 1."""
    model = parse(name)
    preprocessing = Preprocessing(image, (110.0,) if image[0] == 1 else (120.0, 110.0, 90.0), (60.0,) * image[0])
    parts: dict[str, dict[str, Any]] = {
        "image-classification": {"classes": CLASSES, "preprocessing": preprocessing},
        "clip-classification": {"classes": CLASSES, "preprocessing": preprocessing, "frames": 3},
        "text-classification": {"classes": CLASSES, "vocabulary": fit("words", TEXTS), "length": 30},
        "transcription": {"preprocessing": preprocessing, "vocabulary": fit("characters", TEXTS)},
        "sequence-classification": {
            "classes": CLASSES,
            "length": 50,
            "extra": {"features": 2, "mean": [1.0, -3.25], "deviation": [0.5, 7.0]},
        },
    }
    processor = Processor(model.task, **{**parts[model.task.name], **more})
    torch.manual_seed(3)
    network = make(model, processor.sizes).eval()
    _settle(network)
    if model.task.name == "transcription":
        with torch.no_grad():
            network.head.bias -= network(torch.randn(1, *image))[0].mean((0, 1))  # so that it reads many things
    write_bundle(folder, network, model, processor, metrics or {"data": "elsewhere"}, "# card\n")
    return folder


def _settle(network: nn.Module) -> None:
    """Give biases, and statistics and weights of normalisation, values as after a training: no zeros and ones."""
    draw = np.random.default_rng(0)
    for parameter in network.parameters():
        parameter.data += torch.from_numpy(draw.normal(0, 0.05, parameter.shape)).float()
    for module in network.modules():
        if isinstance(module, BatchNorm1d | BatchNorm2d):
            for tensor, low, high in (
                (module.running_mean, -0.5, 0.5),
                (module.running_var, 0.5, 2),
                (module.weight.data, -1.5, 1.5),
                (module.bias.data, -0.5, 0.5),
            ):
                assert tensor is not None
                tensor.copy_(torch.from_numpy(draw.uniform(low, high, tensor.shape)))
