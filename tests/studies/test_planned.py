"""studies/planned: the trials of a study, in their order."""

from __future__ import annotations

from studies.small import settings

from ecrnn.studies.planned import planned_trials


def test_repeat_by_repeat() -> None:
    wanted = settings("any", models=("cnn", "ecnn"), repeats=2, first_repeat=3)
    assert planned_trials(wanted) == [("cnn", 3), ("ecnn", 3), ("cnn", 4), ("ecnn", 4)]
