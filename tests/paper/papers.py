"""A study of the paper's models in memory, with accuracies as wished, exact to one image."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from ecrnn.core.config import StudySettings
from ecrnn.core.predictions import PredictedClasses
from ecrnn.paper import printed
from ecrnn.report import StudyRecord
from ecrnn.report.analysis.read import Trial, Unfinished

CLASSES = tuple("abcdefghij")


def paper_record(
    accuracies: Mapping[str, float] = printed.ACCURACIES,
    *,
    shifts: tuple[float, ...] = (0.0, 0.0, 0.0),
    missing: Collection[tuple[str, int]] = (),
    images: int = printed.N_VALIDATION,
    **settings: Any,
) -> StudyRecord:
    """``shifts`` are added to every accuracy, one a repeat; trials of ``missing`` (model, repeat) never began."""
    wanted = {"data": printed.DATA, "models": tuple(accuracies), "repeats": len(shifts)} | settings
    label = np.arange(images) % len(CLASSES)
    trials, unfinished = [], []
    for model, accuracy in accuracies.items():
        for repeat, shift in enumerate(shifts):
            if (model, repeat) in missing:
                unfinished.append(Unfinished(model, repeat, "not started", "no folder of this trial"))
                continue
            wrong = np.arange(images) >= round(images * (accuracy + shift))
            predicted = np.where(wrong, (label + 1) % len(CLASSES), label)
            given = PredictedClasses(np.arange(images), label, predicted)
            facts = {"n_train": printed.N_TRAIN, "classes": list(CLASSES), "best_accuracy": accuracy + 0.01}
            facts["parameters"] = printed.TABLE_1_TOTAL if model == printed.TABLE_1_MODEL else 1
            trials.append(Trial(model, repeat, facts, (), given))
    return StudyRecord(
        folders=(Path("run"),),
        settings=StudySettings.read(wanted),
        planned=len(trials) + len(unfinished),
        classes=CLASSES,
        environments=({},),
        trials=tuple(trials),
        unfinished=tuple(unfinished),
        notes=(),
    )
