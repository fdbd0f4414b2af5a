"""`ecrnn bench one-image`: how long one image takes through a trained model.

* ecrnn: what `ecrnn.load(...)` gives, from one decoded uint8 image to logits.
* stock: the same network in torch.nn's layers, contiguous float32, in inference mode; its image is standardised.
* onnx: the exported network in ONNX Runtime, with as many threads and with one; its image is standardised too.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch

from ecrnn.bench.checks import check_recurrence
from ecrnn.bench.step import CLASSES, IMAGE
from ecrnn.bench.timing import alternate, best, ratio, summary, timed
from ecrnn.bench.torch_baseline import stock_like
from ecrnn.core.devices import threads as threads_set
from ecrnn.core.errors import EcrnnError
from ecrnn.data.preprocessing import Preprocessing
from ecrnn.models.build import make
from ecrnn.models.names import ModelName
from ecrnn.models.processor import Processor
from ecrnn.models.spec import InputSpec
from ecrnn.serving.bundle import write_bundle
from ecrnn.serving.export.onnx_file import missing_packages, to_onnx
from ecrnn.serving.export.parity import session
from ecrnn.serving.load import load

NOT_HERE = "ONNX Runtime is not measured: it needs the packages onnx, onnxscript and onnxruntime"
_CLOSE = 1e-4  # of logits, relative to the largest


def onnx_is_here() -> bool:
    """Whether the network can be exported and run by ONNX Runtime."""
    return not missing_packages()


def measure(
    model: ModelName, threads: int, rounds: int, *, onnx: bool = True, tick: Callable[[int, int], None] | None = None
) -> dict[str, Any]:
    """Check, then measure one image through one model.

    Args:
        model: its name; its weights are the initial ones.
        threads: number of threads of torch, and of ONNX Runtime's first variant.
        rounds: number of alternating measurements of each variant.
        onnx: measure ONNX Runtime too.
        tick: called after each round.

    Returns:
        Plain data for JSON.

    Raises:
        EcrnnError: an opponent computes something else, or the recurrence is not right.
    """
    with threads_set(threads):
        checked = check_recurrence(model, 1, threads, training=False)
        network = make(model, InputSpec(IMAGE, CLASSES))
        stock = stock_like(network, model).eval()
        channels, height, width = IMAGE
        image = np.random.default_rng(1).integers(0, 256, (1, height, width, channels), dtype=np.uint8)
        preprocessing = Preprocessing(IMAGE, (120.0,), (64.0,))
        ready = torch.from_numpy(preprocessing.apply(image))
        calls: dict[str, Callable[[], Any]] = {
            "ecrnn": _ours(network, model, preprocessing, image),
            "stock": torch.inference_mode()(lambda: stock(ready).numpy()),
        }
        if onnx:
            exported = to_onnx(network.eval(), (ready,), {"image": {}}, {"logits": {}}).SerializeToString()
            calls["onnx"] = _run(session(exported, threads), ready)
            if threads > 1:
                calls["onnx-1-thread"] = _run(session(exported, 1), ready)
        _check_same({name: call() for name, call in calls.items()})
        runs = {name: timed(call) for name, call in calls.items()}
        times = alternate(runs, rounds, pause=0.01 if onnx else 0.0, tick=tick)
    found = {
        "model": str(model),
        **checked,
        "variants": {name: summary(seconds) for name, seconds in times.items()},
        "ratio_stock": ratio(times["stock"], times["ecrnn"]),
    }
    if onnx:
        found["onnx_best"] = best(times, [name for name in times if name.startswith("onnx")])
        found["ratio_onnx"] = ratio(times[found["onnx_best"]], times["ecrnn"])
    return found


def _ours(
    network: torch.nn.Module, model: ModelName, preprocessing: Preprocessing, image: np.ndarray
) -> Callable[[], np.ndarray]:
    """By way of a bundle, as a user has it."""
    processor = Processor(model.task, tuple(map(str, range(CLASSES))), preprocessing)
    with tempfile.TemporaryDirectory() as folder:
        write_bundle(Path(folder), network, model, processor, {}, "")
        classifier = load(folder, "cpu")
    return lambda: classifier.logits(image)


def _run(opened: Any, image: torch.Tensor) -> Callable[[], np.ndarray]:
    inputs = {opened.get_inputs()[0].name: image.numpy()}
    return lambda: opened.run(None, inputs)[0]


def _check_same(logits: dict[str, np.ndarray]) -> None:
    for name, values in logits.items():
        error = float(np.abs(values - logits["stock"]).max() / np.abs(logits["stock"]).max())
        if not error <= _CLOSE:
            raise EcrnnError(f"the logits of '{name}' are {error:.1e} off the stock network's, so nothing is measured")
