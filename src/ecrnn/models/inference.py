"""Pictures through a trained network: standardisation on the device and large batches, in float32."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor, nn

from ecrnn.data.preprocessing import Preprocessing

BATCH = 512  # pictures; large enough that time per picture no longer falls


class Standardise(nn.Module):
    """uint8 pictures (B, H, W, C) to float32 (B, C, H, W), (value - mean) / std; the memory stays channels last."""

    def __init__(self, preprocessing: Preprocessing) -> None:
        super().__init__()
        self.mean: Tensor
        self.std: Tensor
        self.register_buffer("mean", torch.tensor(preprocessing.mean, dtype=torch.float32))
        self.register_buffer("std", torch.tensor(preprocessing.std, dtype=torch.float32))

    def forward(self, pictures: Tensor) -> Tensor:
        return ((pictures.float() - self.mean) / self.std).permute(0, 3, 1, 2)


@torch.no_grad()
def predict_logits(
    model: nn.Module, images: np.ndarray, index: np.ndarray, standardise: Standardise, batch: int = BATCH
) -> np.ndarray:
    """Logits of the pictures ``images[index]``; the model is left in the mode it was in.

    Args:
        model: an image classifier, on the device of ``standardise``.
        images: uint8 (N, H, W, C).
        index: int64 (n,), in any order.

    Returns:
        float32 (n, classes), on the CPU.
    """
    was_training = model.training
    model.eval()
    device = standardise.mean.device
    try:
        parts = [
            model(standardise(torch.from_numpy(images[index[start : start + batch]]).to(device))).float().cpu()
            for start in range(0, len(index), batch)
        ]
    finally:
        model.train(was_training)
    return torch.cat(parts).numpy()
