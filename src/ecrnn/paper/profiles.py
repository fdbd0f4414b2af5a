"""The paper's study as settings: its 17 models and its protocol, and where it is silent one recipe for all.

The recipe was fixed before the study, by a pilot on a split that is not in it.
"""

from __future__ import annotations

from ecrnn.core.config import StudySettings, TrainingSettings
from ecrnn.paper.printed import MODELS

_PAPER = StudySettings(
    data="cifar10",
    models=MODELS,
    repeats=3,
    split="0.7",
    seed=0,
    score_epochs=1,  # the last one, as the paper's
    training=TrainingSettings(
        epochs=15,
        batch_size=128,
        optimizer="adam",
        lr=1e-3,
        augment="none",
        standardise="global",
        precision="bfloat16",  # not "auto", so that it is the same study on every machine
        cutoff=1e-8,
        batch_statistics="even",
    ),
)

#: What `ecrnn reproduce --profile` knows. "quick" goes the same way with small data and few steps; its figures are
#: those of networks that have hardly begun to learn.
PROFILES = {
    "paper": _PAPER,
    "quick": _PAPER.model_copy(
        update={
            "data": "digits",
            "training": _PAPER.training.model_copy(update={"epochs": 2, "precision": "auto"}),
        }
    ),
}
