"""All of an explained image together: what is asked for, what comes, what is refused."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from explain.explanations import CLASSES, an_explanation
from torch import nn

from ecrnn.core.errors import EcrnnError, UnknownNameError
from ecrnn.data.preprocessing import Preprocessing
from ecrnn.explain.attribution import Attribution
from ecrnn.explain.explanation import Map, explain_image
from ecrnn.explain.faithfulness import Curve, Randomisation
from ecrnn.models.build import build
from ecrnn.models.inference import Standardise

IMAGE = np.full((16, 16, 3), 100, np.uint8)
STANDARDISE = Standardise(Preprocessing((3, 16, 16), (120.0,), (60.0,)))


def a_network() -> nn.Module:
    return build("cnn", image=(3, 16, 16), classes=3, seed=0).eval()


def test_everything_is_there_and_the_network_is_left_alone() -> None:
    found = an_explanation()
    assert [one.key for one in found.maps] == ["cam", "ig", "ig-blurred", "occlusion"]
    assert all(one.attribution.values.shape == (16, 16) for one in found.maps)
    assert found.probabilities.sum() == pytest.approx(1)
    assert found.target == found.probabilities.argmax()
    assert {"image", "probabilities", "cam", "ig", "ig-blurred", "occlusion", "steps", "places", "filters"} <= set(
        found.arrays()
    )
    assert "gates/rnn.layers.0/backward/forget" in found.arrays()
    network = a_network()
    before = {name: value.clone() for name, value in network.state_dict().items()}
    explain_image(network, STANDARDISE, IMAGE, CLASSES, methods=["cam"])
    assert all(torch.equal(value, before[name]) for name, value in network.state_dict().items())
    assert not network.training


def test_a_class_against_another() -> None:
    one, other = (
        explain_image(a_network(), STANDARDISE, IMAGE, CLASSES, target=a, against=b, methods=["occlusion"])
        for a, b in (("cat", "dog"), ("dog", "cat"))
    )
    assert (one.target, one.against) == (0, 1)
    assert one.maps[0].attribution.values == pytest.approx(-other.maps[0].attribution.values, abs=1e-6)


@pytest.mark.parametrize(
    ("options", "error", "words"),
    [
        ({"target": "catt"}, UnknownNameError, "cat"),
        ({"against": "x"}, UnknownNameError, "class"),
        ({"methods": ["gradcam"]}, UnknownNameError, "cam"),
        ({"target": "cat", "against": "cat"}, EcrnnError, "against itself"),
    ],
)
def test_what_is_refused(options: dict[str, object], error: type[EcrnnError], words: str) -> None:
    with pytest.raises(error, match=words):
        explain_image(a_network(), STANDARDISE, IMAGE, CLASSES, **options)  # type: ignore[arg-type]


def test_outputs_that_are_not_finite() -> None:
    network = a_network()
    with torch.no_grad():
        network.head.bias[0] = torch.nan
    with pytest.raises(EcrnnError, match=r"x\.png are not finite"):
        explain_image(network, STANDARDISE, IMAGE, CLASSES, name="x.png")


def test_faults_by_hand() -> None:
    down, flat = (1.0, 0.0), (0.5, 0.5)
    good = Map(
        "ig",
        Attribution("ig", IMAGE[..., 0], 8, 0.001),
        Randomisation((), (), 0.1),
        Curve(flat, (1, 1)),
        Curve(flat, (0, 0)),
    )
    assert good.faults == ()
    bad = Map(
        "ig", Attribution("ig", IMAGE[..., 0], 8, 0.2), Randomisation((), (), 0.9), Curve(down, down), Curve(flat, flat)
    )
    assert [fault.split()[0] for fault in bad.faults] == ["It", "Blurring", "Bringing", "Its"]
    assert "20 %" in bad.faults[3]
