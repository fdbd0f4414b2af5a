"""Why an image classifier says what it says of an image: everything that `ecrnn explain` shows, as plain arrays."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn

from ecrnn.core.errors import EcrnnError, unknown_name
from ecrnn.explain.attribution import (
    COMPLETE,
    FIRST_STEPS,
    Attribution,
    Score,
    blurred,
    grad_cam,
    integrated_gradients,
    last_map,
    occlusion,
)
from ecrnn.explain.faithfulness import Curve, Randomisation, deletion, insertion, randomisation
from ecrnn.explain.feature_maps import Stage, filters, stages
from ecrnn.explain.steps import Gates, Steps, gates, steps
from ecrnn.models.inference import Standardise

_Maker = Callable[[nn.Module, int | None], Attribution]

METHODS = ("cam", "ig", "occlusion")
TITLES = {
    "cam": "Grad-CAM",
    "ig": "Integrated gradients from the mean image",
    "ig-blurred": "Integrated gradients from the blurred image",
    "occlusion": "Occlusion",
}


@dataclass(frozen=True)
class Map:
    """One map of an image, with its tests.

    Attributes:
        key: "cam", "ig", "ig-blurred" or "occlusion".
        attribution: the map.
        randomisation: whether it depends on what was learnt.
        deletion, insertion: whether it names the pixels that count.
    """

    key: str
    attribution: Attribution
    randomisation: Randomisation
    deletion: Curve
    insertion: Curve

    @property
    def title(self) -> str:
        """What the method is called."""
        return TITLES[self.key]

    @property
    def faults(self) -> tuple[str, ...]:
        """What speaks against trusting the map, in sentences."""
        found = []
        if not self.randomisation.passed:
            found.append("It does not depend on what was learnt: with shuffled weights the map is much the same.")
        if self.deletion.area >= self.deletion.moved_area:
            found.append("Blurring the pixels that it names takes no more from the class than blurring others.")
        if self.insertion.area <= self.insertion.moved_area:
            found.append("Bringing back the pixels that it names gives the class no more than bringing back others.")
        error = self.attribution.completeness_error
        if error is not None and error >= COMPLETE:
            found.append(f"Its sum misses the difference that it explains by {100 * error:.0f} %.")
        return tuple(found)


@dataclass(frozen=True)
class Explanation:
    """Why a model says what it says of one image.

    Attributes:
        name: of the image.
        image: uint8 (H, W, C), as the network takes it.
        classes: names of all classes.
        probabilities: float64 (classes,).
        target: the class that is explained.
        against: the class that it is set against; None where it is not.
        layer: the feature map of Grad-CAM, and to which steps are followed back; None where the network has none.
        maps: by method.
        stages: what the convolutions see.
        filters: of the first convolution, (n, channels, h, w); None where there is none.
        gates: of the recurrent layers.
        steps: how much each step counts; None where the network has no recurrent layer.
    """

    name: str
    image: np.ndarray
    classes: tuple[str, ...]
    probabilities: np.ndarray
    target: int
    against: int | None
    layer: str | None
    maps: tuple[Map, ...]
    stages: tuple[Stage, ...]
    filters: np.ndarray | None
    gates: tuple[Gates, ...]
    steps: Steps | None

    def arrays(self) -> dict[str, np.ndarray]:
        """All arrays by name, for an .npz."""
        arrays = {"image": self.image, "probabilities": self.probabilities}
        for one in self.maps:
            arrays[one.key] = one.attribution.values
        for stage in self.stages:
            arrays[f"stage/{stage.layer}"] = stage.maps
        for gate in self.gates:
            arrays |= {f"gates/{gate.layer}/{gate.direction}/{name}": value for name, value in gate.values.items()}
        if self.steps is not None:
            arrays["steps"] = self.steps.gradient
            if self.steps.places is not None:
                arrays["places"] = self.steps.places
        if self.filters is not None:
            arrays["filters"] = self.filters
        return arrays


def explain_image(
    network: nn.Module,
    standardise: Standardise,
    image: np.ndarray,
    classes: Sequence[str],
    *,
    name: str = "image",
    target: str | None = None,
    against: str | None = None,
    methods: Sequence[str] = METHODS,
    integral_steps: int | None = None,
    seed: int = 0,
) -> Explanation:
    """Explain what a network says of one image.

    Args:
        network: an image classifier in evaluation mode, in float32; left as it is.
        standardise: its standardisation, on the same device.
        image: uint8 (H, W, C), of the network's own size.
        classes: their names.
        name: of the image, for the result.
        target: name of the class to explain; default: the most probable.
        against: name of a class that it is set against.
        methods: some of "cam", "ig", "occlusion".
        integral_steps: of integrated gradients; default as of `integrated_gradients`.
        seed: of the random orders in the tests.

    Raises:
        UnknownNameError: a class or method that there is not.
        EcrnnError: a class against itself, or outputs that are not finite.
    """
    for method in methods:
        if method not in METHODS:
            raise unknown_name("method", method, METHODS)
    pixels = standardise(torch.from_numpy(image[None].copy()).to(standardise.mean.device)).contiguous()
    with torch.no_grad():
        logits = network(pixels).double()[0]
    if not logits.isfinite().all():
        raise EcrnnError(f"the model's outputs for {name} are not finite, so there is nothing to explain")
    score = _score(classes, target, against, int(logits.argmax()))
    layer = last_map(network, pixels)
    maps = [
        _tested(network, pixels, score, key, make, integral_steps, seed)
        for key, make in _makers(pixels, score, methods, layer).items()
    ]
    return Explanation(
        name,
        image,
        tuple(classes),
        logits.softmax(0).cpu().numpy(),
        score.target,
        score.against,
        layer,
        tuple(maps),
        tuple(stages(network, pixels)),
        filters(network),
        tuple(gates(network, pixels)),
        steps(network, pixels, score, layer),
    )


def _score(classes: Sequence[str], target: str | None, against: str | None, likeliest: int) -> Score:
    for one in (target, against):
        if one is not None and one not in classes:
            raise unknown_name("class", one, classes)
    chosen = likeliest if target is None else list(classes).index(target)
    other = None if against is None else list(classes).index(against)
    if other == chosen:
        raise EcrnnError(f"class '{classes[chosen]}' is explained, so it cannot be set against itself")
    return Score(chosen, other)


def _makers(pixels: Tensor, score: Score, methods: Sequence[str], layer: str | None) -> dict[str, _Maker]:
    """What makes each map of a network; the number is that of the integral's steps."""
    makers: dict[str, _Maker] = {}
    if "cam" in methods and layer is not None:
        makers["cam"] = lambda network, _steps: grad_cam(network, pixels, score, layer)
    if "ig" in methods:
        soft = blurred(pixels)
        makers["ig"] = lambda network, steps: integrated_gradients(network, pixels, score, None, steps)
        makers["ig-blurred"] = lambda network, steps: integrated_gradients(network, pixels, score, soft, steps)
    if "occlusion" in methods:
        makers["occlusion"] = lambda network, _steps: occlusion(network, pixels, score)
    return makers


def _tested(
    network: nn.Module, pixels: Tensor, score: Score, key: str, make: _Maker, integral_steps: int | None, seed: int
) -> Map:
    attribution = make(network, integral_steps)
    values = attribution.values
    return Map(
        key,
        attribution,
        randomisation(network, lambda other: make(other, FIRST_STEPS).values, values, seed),
        deletion(network, pixels, score, values, seed),
        insertion(network, pixels, score, values, seed),
    )
