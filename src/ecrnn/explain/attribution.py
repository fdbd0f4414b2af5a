"""Which pixels count for a class: Grad-CAM, integrated gradients and occlusion, for any image classifier of torch.

All of them explain a `Score`: the logit of a class, or that logit minus another's. Signs are kept: above 0 speaks for
the class. What is "nothing" is an image of zeros, which after standardisation is the mean of the training images.

Sources: Selvaraju et al. 2017 (Grad-CAM), Sundararajan, Taly and Yan 2017 (integrated gradients), Zeiler and Fergus
2014 (occlusion).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

LEAST_SIDE = 4  # of a feature map that can still say where
FIRST_STEPS, MOST_STEPS = 32, 1024  # of the integral
COMPLETE = 0.01  # of the difference that the integral must give: below it no more steps are taken
BATCH = 128  # images at a time
BLUR = 0.15  # of the image's side: standard deviation of the blurred baseline


@dataclass(frozen=True)
class Score:
    """What is explained: the logit of class ``target``, minus that of class ``against`` where there is one."""

    target: int
    against: int | None = None

    def __call__(self, logits: Tensor) -> Tensor:
        """From logits (B, classes) to (B,)."""
        score = logits[:, self.target]
        return score if self.against is None else score - logits[:, self.against]


@dataclass(frozen=True)
class Attribution:
    """How much each pixel counts.

    Attributes:
        method: "cam", "ig" or "occlusion".
        values: (H, W) float32; above 0 speaks for the class.
        steps: of the integral, of "ig".
        completeness_error: |sum of all values - difference that they explain| as part of that difference, of "ig".
    """

    method: str
    values: np.ndarray
    steps: int | None = None
    completeness_error: float | None = None


def last_map(network: nn.Module, image: Tensor) -> str | None:
    """The module whose output is the network's last feature map that still says where: both sides at least 4.

    What comes after the first recurrent layer is no map of the image.

    Args:
        network: an image classifier in evaluation mode.
        image: (1, C, H, W), standardised.

    Returns:
        The module's name as `named_modules` has it; None where there is no such map.
    """
    found: list[str] = []
    read = False

    def look(name: str) -> Callable[..., None]:
        def hook(module: nn.Module, _inputs: object, output: object) -> None:
            nonlocal read
            read = read or isinstance(module, nn.RNNBase)
            if not read and isinstance(output, Tensor) and output.dim() == 4 and min(output.shape[2:]) >= LEAST_SIDE:
                found.append(name)

        return hook

    leaves = [(name, module) for name, module in network.named_modules() if not any(module.children())]
    hooks = [module.register_forward_hook(look(name)) for name, module in leaves]
    try:
        with torch.no_grad():
            network(image)
    finally:
        for hook in hooks:
            hook.remove()
    return found[-1] if found else None


def grad_cam(network: nn.Module, image: Tensor, score: Score, layer: str) -> Attribution:
    """Grad-CAM: the maps of ``layer``, each weighted by the mean gradient of the score, summed, negative parts cut.

    Args:
        network: in evaluation mode.
        image: (1, C, H, W), standardised.
        score: what is explained.
        layer: name of a module, as `last_map` gives it.
    """
    maps, gradient = _map_and_gradient(network, image, score, layer)
    weights = gradient.mean((2, 3), keepdim=True)
    small = (weights * maps).sum(1, keepdim=True).relu()  # (1, 1, h, w)
    return Attribution("cam", to_image(small[0, 0].detach().cpu().numpy(), image.shape[2:]))


def _map_and_gradient(network: nn.Module, image: Tensor, score: Score, layer: str) -> tuple[Tensor, Tensor]:
    kept: list[Tensor] = []
    hook = network.get_submodule(layer).register_forward_hook(lambda _module, _inputs, output: kept.append(output))
    try:
        with torch.enable_grad():
            value = score(network(image.detach().requires_grad_()))
    finally:
        hook.remove()
    (gradient,) = torch.autograd.grad(value.sum(), kept[0])
    return kept[0], gradient


def integrated_gradients(
    network: nn.Module, image: Tensor, score: Score, baseline: Tensor | None = None, steps: int | None = None
) -> Attribution:
    """Integrated gradients on the straight line from a baseline to the image, by Gauss and Legendre's rule.

    Args:
        network: in evaluation mode.
        image: (1, C, H, W), standardised.
        score: what is explained.
        baseline: as the image; default zeros, the mean image.
        steps: points of the integral. Default: 32, doubled until the completeness error is below 1 %, at most 1,024.

    Returns:
        The values are summed over the channels.
    """
    baseline = torch.zeros_like(image) if baseline is None else baseline
    with torch.no_grad():
        difference = float(score(network(image)) - score(network(baseline)))
    points = steps or FIRST_STEPS
    while True:
        values = _integral(network, image, score, baseline, points)  # (C, H, W), float64
        gap = abs(float(values.sum()) - difference)
        error = gap / abs(difference) if difference else gap
        if steps or error < COMPLETE or points >= MOST_STEPS:
            summed = values.sum(0).float().cpu().numpy()
            return Attribution("ig", summed, steps=points, completeness_error=error)
        points *= 2


def _integral(network: nn.Module, image: Tensor, score: Score, baseline: Tensor, steps: int) -> Tensor:
    nodes, weights = np.polynomial.legendre.leggauss(steps)
    total = torch.zeros_like(image[0], dtype=torch.float64)
    for start in range(0, steps, BATCH):
        part = slice(start, start + BATCH)
        alphas = torch.as_tensor((nodes[part] + 1) / 2, dtype=image.dtype, device=image.device).view(-1, 1, 1, 1)
        with torch.enable_grad():
            points = (baseline + alphas * (image - baseline)).requires_grad_()
            (gradient,) = torch.autograd.grad(score(network(points)).sum(), points)
        total += torch.einsum("nchw,n->chw", gradient.double(), torch.as_tensor(weights[part] / 2).to(image.device))
    return total * (image - baseline)[0].double()


@torch.no_grad()
def occlusion(network: nn.Module, image: Tensor, score: Score, window: int | None = None) -> Attribution:
    """How much the score falls when a square is put to 0; a pixel has the mean over the squares that cover it.

    Args:
        network: in evaluation mode.
        image: (1, C, H, W), standardised.
        score: what is explained.
        window: side of the square in pixels; squares lie half of it apart. Default: a quarter of the smaller side.
    """
    height, width = image.shape[2:]
    window = max(1, min(height, width) // 4) if window is None else window
    corners = [(y, x) for y in _starts(height, window) for x in _starts(width, window)]
    whole = score(network(image))
    falls, covered = np.zeros((height, width)), np.zeros((height, width))
    for start in range(0, len(corners), BATCH):
        some = corners[start : start + BATCH]
        images = image.repeat(len(some), 1, 1, 1)
        for number, (y, x) in enumerate(some):
            images[number, :, y : y + window, x : x + window] = 0
        for (y, x), fall in zip(some, (whole - score(network(images))).tolist(), strict=True):
            falls[y : y + window, x : x + window] += fall
            covered[y : y + window, x : x + window] += 1
    return Attribution("occlusion", (falls / covered).astype(np.float32))


def _starts(side: int, window: int) -> list[int]:
    """Where squares begin, so that every pixel is covered and none lies beyond the edge."""
    last = max(0, side - window)
    return sorted({*range(0, last + 1, max(1, window // 2)), last})


def blurred(image: Tensor) -> Tensor:
    """The image (1, C, H, W) without detail: a baseline that keeps its colours."""
    side = min(image.shape[2:])
    sigma = BLUR * side
    reach = min(max(1, round(3 * sigma)), side - 1)
    grid = torch.arange(-reach, reach + 1, dtype=image.dtype, device=image.device)
    kernel = torch.exp(-(grid**2) / (2 * sigma**2))
    kernel = (kernel / kernel.sum()).expand(image.shape[1], 1, 1, -1)
    padded = functional.pad(image, (reach,) * 4, mode="reflect")
    across = functional.conv2d(padded, kernel, groups=image.shape[1])
    return functional.conv2d(across, kernel.transpose(2, 3), groups=image.shape[1])


def to_image(values: np.ndarray, size: tuple[int, ...]) -> np.ndarray:
    """A small map (h, w) at the size of an image (H, W), bilinear, float32."""
    tensor = torch.as_tensor(values, dtype=torch.float32)[None, None]
    return functional.interpolate(tensor, tuple(size), mode="bilinear", align_corners=False)[0, 0].numpy()
