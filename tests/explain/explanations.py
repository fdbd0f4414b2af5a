"""A small explained image, for tests of what is written of it."""

from __future__ import annotations

import functools

import numpy as np

from ecrnn.data.preprocessing import Preprocessing
from ecrnn.explain.explanation import Explanation, explain_image
from ecrnn.models.build import build
from ecrnn.models.inference import Standardise

CLASSES = ("cat", "dog", "<b>fox & hen</b>")


@functools.cache
def an_explanation(model: str = "ecrnn-bilstm-4", name: str = "a.png") -> Explanation:
    network = build(model, image=(3, 16, 16), classes=3, seed=0).eval()
    image = np.random.default_rng(0).integers(0, 256, (16, 16, 3), dtype=np.uint8)
    standardise = Standardise(Preprocessing((3, 16, 16), (120.0,), (60.0,)))
    return explain_image(network, standardise, image, CLASSES, name=name, integral_steps=8)
