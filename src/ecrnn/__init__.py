"""ecrnn: build, train, compare honestly, explain and ship CNN-RNN networks.

The public names are `check`, `compare`, `work`, `status`, `tune`, `judge`, `plan`, `train`, `verify`, `load`, `export`,
`track`, `build`, `register`, `ImageClassifier`, `SequenceClassifier` and `EcrnnError`. They are loaded when first used:
importing ecrnn imports nothing heavy.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ecrnn.api import compare, plan, train, tune
    from ecrnn.core.errors import EcrnnError
    from ecrnn.models.build import build
    from ecrnn.models.registry import register
    from ecrnn.report.render.check_files import check
    from ecrnn.scores.judging import judge
    from ecrnn.serving.export.exporting import export
    from ecrnn.serving.load import load
    from ecrnn.studies.status import status
    from ecrnn.studies.trackers.track import track
    from ecrnn.studies.verification.verify import verify
    from ecrnn.studies.work import work
    from ecrnn.tasks.image_classification.estimator import ImageClassifier
    from ecrnn.tasks.sequence_classification.estimator import SequenceClassifier

__all__ = [
    "EcrnnError",
    "ImageClassifier",
    "SequenceClassifier",
    "build",
    "check",
    "compare",
    "export",
    "judge",
    "load",
    "plan",
    "register",
    "status",
    "track",
    "train",
    "tune",
    "verify",
    "work",
]

_HOMES = {
    "EcrnnError": "ecrnn.core.errors",
    "ImageClassifier": "ecrnn.tasks.image_classification.estimator",
    "SequenceClassifier": "ecrnn.tasks.sequence_classification.estimator",
    "build": "ecrnn.models.build",
    "check": "ecrnn.report.render.check_files",
    "compare": "ecrnn.api",
    "export": "ecrnn.serving.export.exporting",
    "judge": "ecrnn.scores.judging",
    "load": "ecrnn.serving.load",
    "plan": "ecrnn.api",
    "register": "ecrnn.models.registry",
    "status": "ecrnn.studies.status",
    "track": "ecrnn.studies.trackers.track",
    "train": "ecrnn.api",
    "tune": "ecrnn.api",
    "verify": "ecrnn.studies.verification.verify",
    "work": "ecrnn.studies.work",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'ecrnn' has no attribute '{name}'")
    value = globals()[name] = getattr(import_module(_HOMES[name]), name)
    return value


def __dir__() -> list[str]:
    return sorted(set(globals()) | set(__all__))
