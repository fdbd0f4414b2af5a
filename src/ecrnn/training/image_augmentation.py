"""A batch of images as an epoch shows it, on the device: crops, flips, colours, rotations and cut-out squares.

What happens to an image is a function of (seed, epoch, index) alone (`ecrnn.data.augmentation`), so a resumed training
sees the same images, whatever its number of threads. Mixing two images is a function of the batch as well, which is one
of (seed, epoch).
"""

from __future__ import annotations

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from ecrnn.core.augmentations import kinds_of
from ecrnn.data.augmentation import GREY, augment, colours, holes, rotations
from ecrnn.models.inference import Standardise


class ImageAugmentation:
    """Images to what the network is shown.

    Args:
        name: of the augmentation, such as "flip-crop-cutout"; "mixup" is not done here, see `mixed`.
        seed: of all draws.
        standardise: brings images to the network's standard, on its device.
    """

    def __init__(self, name: str, seed: int, standardise: Standardise) -> None:
        self.kinds, self.seed, self.standardise = kinds_of(name), seed, standardise

    def __call__(self, images: np.ndarray, index: np.ndarray, epoch: int) -> Tensor:
        """Standardised images as ``epoch`` shows them.

        Args:
            images: uint8 (B, H, W, C).
            index: (B,), of each in the image set.
            epoch: from 0.

        Returns:
            float32 (B, C, H, W), on the device.

        Raises:
            DataError: a crop of images that are too small.
        """
        kinds, seed, device = self.kinds, self.seed, self.standardise.mean.device
        shown = augment(images, index, seed, epoch, kinds)
        pixels = torch.from_numpy(shown).to(device)
        if "colour" in kinds:
            pixels = _coloured(pixels, *_on(device, *colours(shown, index, seed, epoch)))
        batch: Tensor = self.standardise(pixels)
        if "rotate" in kinds:
            batch = _rotated(batch, *_on(device, *rotations(index, seed, epoch)))
        if "cutout" in kinds:
            (inside,) = _on(device, holes(index, seed, epoch, *images.shape[1:3]))
            batch = torch.where(inside[:, None], 0.0, batch)  # which, other than masked_fill, keeps channels last
        return batch


def mixed(batch: Tensor, share: Tensor) -> Tensor:
    """Each image of a batch (B, C, H, W) with the next one (the last with the first); ``share`` (B,) is of itself."""
    share = share.view(-1, 1, 1, 1)
    others = torch.cat([batch[1:], batch[:1]])  # as above, other than roll
    return batch * share + others * (1 - share)


def _on(device: torch.device, *arrays: np.ndarray) -> list[Tensor]:
    tensors = (torch.from_numpy(array) for array in arrays)
    return [(tensor.float() if tensor.is_floating_point() else tensor).to(device) for tensor in tensors]


def _coloured(pixels: Tensor, colour: Tensor, grey: Tensor, offset: Tensor) -> Tensor:
    """Pixels (B, H, W, C) times ``colour``, plus their grey times ``grey``, plus ``offset``, (B,) each; 0 to 255."""
    pixels = pixels.float()
    found = pixels * colour.view(-1, 1, 1, 1) + offset.view(-1, 1, 1, 1)
    if pixels.shape[3] == 3:
        red, green, blue = (weight * pixels[..., i : i + 1] for i, weight in enumerate(GREY))
        found = found + (red + green + blue) * grey.view(-1, 1, 1, 1)
    return found.clamp_(0, 255)


def _rotated(batch: Tensor, cosine: Tensor, sine: Tensor) -> Tensor:
    """Images (B, C, H, W) turned about their middle, bilinear, mirrored at the edge; angles by cosine and sine (B,)."""
    height, width = batch.shape[2:]
    y = torch.linspace(-(height - 1) / 2, (height - 1) / 2, height, device=batch.device).view(1, -1, 1)
    x = torch.linspace(-(width - 1) / 2, (width - 1) / 2, width, device=batch.device).view(1, 1, -1)
    cosine, sine = cosine.view(-1, 1, 1), sine.view(-1, 1, 1)
    across, down = cosine * x + sine * y, cosine * y - sine * x
    grid = torch.stack([across * (2 / (width - 1)), down * (2 / (height - 1))], dim=3)
    turned = F.grid_sample(batch, grid, mode="bilinear", padding_mode="reflection", align_corners=True)
    return turned.contiguous(memory_format=torch.channels_last)
