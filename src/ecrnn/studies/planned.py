"""Which trials a study has, in the order in which they are trained."""

from __future__ import annotations

from ecrnn.core.config import StudySettings
from ecrnn.studies.engines.protocol import Trial


def planned_trials(settings: StudySettings) -> list[Trial]:
    """All trials of a study, repeat by repeat, so that an unfinished study already compares all its models.

    Those of a tuning go point by point, and those of a study that trains until it is decided are the most it may need.
    """
    if settings.tuning is not None:
        points = settings.tuning.points
        most = max(map(len, points.values()), default=0)
        return [(model, p) for p in range(most) for model in settings.models if p < len(points[model])]
    last = settings.first_repeat + settings.repeats
    return [(model, repeat) for repeat in range(settings.first_repeat, last) for model in settings.models]
