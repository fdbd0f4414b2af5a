"""What a sequential study decides from its file and its scores."""

from __future__ import annotations

import pytest

from ecrnn.core.config import StudySettings
from ecrnn.core.errors import EcrnnError
from ecrnn.stats import ACCURACY
from ecrnn.training.decisions import decide, plan_of


def settings(**changes):
    plan = {"looks": [3, 4], "n_train": 70, "n_test": 30}
    return StudySettings.read({"data": "x", "models": ["a", "b", "c"], "repeats": 4, "sequential": plan, **changes})


def test_the_plan_is_that_of_the_file():
    plan = plan_of(settings(rope=0.02), ACCURACY)
    assert (plan.looks, plan.n_train, plan.n_test, plan.rope, plan.alpha, plan.slack) == ((3, 4), 70, 30, 0.02, 0.05, 3)
    assert plan_of(settings(), ACCURACY).rope == ACCURACY.rope
    with pytest.raises(EcrnnError, match="no whole plan"):
        plan_of(settings(sequential={"looks": [3, 4]}), ACCURACY)


def test_pairs_are_those_that_were_planned():
    scores = {model: dict.fromkeys(range(3), 0.5) for model in "abc"}
    pairs = {"baseline": [("b", "a"), ("c", "a")], "all": [("b", "a"), ("c", "a"), ("c", "b")], "pairs": [("a", "c")]}
    for key, changes in (("all", {}), ("baseline", {"baseline": "a"}), ("pairs", {"pairs": [("a", "c")]})):
        comparison = decide(settings(**changes), ACCURACY, scores)
        assert [(pair.model_a, pair.model_b) for pair in comparison.pairs] == pairs[key]
