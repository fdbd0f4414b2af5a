"""Images through a trained network: standardisation on the device and large batches, in float32."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

import numpy as np
import torch
from torch import Tensor, nn

from ecrnn.core.errors import DataError, NotFiniteError
from ecrnn.data.preprocessing import Preprocessing

BATCH = {"cpu": 128, "cuda": 1024}  # images; on a CPU 256 no longer fit its caches and cost 1.2 to 1.7x as much each


class Standardise(nn.Module):
    """uint8 images (..., H, W, C) to float32 (..., C, H, W), (value - mean) / std; memory stays channels last."""

    def __init__(self, preprocessing: Preprocessing) -> None:
        super().__init__()
        self.image = preprocessing.image
        self.mean: Tensor
        self.std: Tensor
        self.register_buffer("mean", torch.tensor(preprocessing.mean, dtype=torch.float32))
        self.register_buffer("std", torch.tensor(preprocessing.std, dtype=torch.float32))

    def forward(self, images: Tensor) -> Tensor:
        return ((images.float() - self.mean) / self.std).movedim(-1, -3)


@contextlib.contextmanager
def evaluating(model: nn.Module) -> Iterator[torch.device]:
    """The model in evaluation mode, without gradients; gives the device it is on."""
    was_training = model.training
    if was_training:  # asked first, because telling every module takes longer than a small one computes
        model.eval()
    try:
        with torch.inference_mode():
            yield next(model.parameters()).device
    finally:
        if was_training:
            model.train()


def predict_logits(
    model: nn.Module, images: np.ndarray, index: np.ndarray, standardise: Standardise, batch: int | None = None
) -> np.ndarray:
    """Logits of the images or clips ``images[index]``.

    Args:
        model: a classifier, on the device of ``standardise``.
        images: uint8 (N, H, W, C), or clips (N, T, H, W, C).
        index: int64 (n,), in any order.
        standardise: brings them to the network's standard and device.
        batch: examples at a time; default `BATCH` images or frames for the device.

    Returns:
        float32 (n, classes), on the CPU.

    Raises:
        DataError: images of another size than the network takes.
    """
    channels, height, width = standardise.image
    if images.shape[-3:] != (height, width, channels):
        found = "x".join(map(str, images.shape[-3:]))
        raise DataError(f"images are {found} (height, width, channels), the model takes {height}x{width}x{channels}")
    device = standardise.mean.device
    frames = images.shape[1] if images.ndim > 4 else 1
    batch = batch or max(1, BATCH[device.type] // frames)
    logits = np.empty((0, 0), np.float32)
    with evaluating(model):
        for start in range(0, max(1, len(index)), batch):  # no images: one empty batch, for the shape
            part = images[index[start : start + batch]]
            outputs = model(standardise(torch.from_numpy(part).to(device))).float().cpu().numpy()
            if start == 0:  # one array for all: small ones kept between batches would hold the freed memory in pieces
                logits = np.empty((len(index), *outputs.shape[1:]), np.float32)
            logits[start : start + len(part)] = outputs
    return logits


def check_finite(outputs: np.ndarray) -> np.ndarray:
    """``outputs`` (n, ...) of a network, a row an example, as they are.

    Raises:
        NotFiniteError: an output is NaN or infinite.
    """
    if not np.isfinite(outputs).all():
        bad = ~np.isfinite(outputs.reshape(len(outputs), -1)).all(axis=1)
        raise NotFiniteError(int(bad.argmax()))
    return outputs


def softmax(logits: np.ndarray) -> np.ndarray:
    """Probabilities, float64 (n, classes), of logits (n, classes); computed in float64, rows sum to 1."""
    shifted = logits.astype(np.float64) - logits.max(axis=1, keepdims=True)
    powers = np.exp(shifted)
    return powers / powers.sum(axis=1, keepdims=True)
