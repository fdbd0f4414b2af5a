"""What a sequential study decides from its file and its scores."""

from __future__ import annotations

import numpy as np
import pytest

from ecrnn.core.config import StudySettings
from ecrnn.core.errors import EcrnnError
from ecrnn.stats import ACCURACY, compare_sequentially
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


def test_with_several_seeds_a_split_counts_when_all_of_its_trainings_have_ended():
    """Means of two; of a failed training the other one alone; a split that failed whole; and one that is half done."""
    plan = {"looks": [3, 4, 5], "n_train": 70, "n_test": 30, "slack": 1e6}
    study = settings(models=["a", "b"], repeats=10, seeds_per_split=2, sequential=plan)
    rng = np.random.default_rng(0)
    scores = {model: {repeat: float(rng.uniform(0.6, 0.9)) for repeat in range(10)} for model in "ab"}
    failed = [("a", 3), ("b", 8), ("b", 9)]
    for model, repeat in (*failed, ("a", 7)):
        del scores[model][repeat]
    found = decide(study, ACCURACY, scores, failed)
    a, b = scores["a"], scores["b"]
    means = {
        "a": {0: (a[0] + a[1]) / 2, 1: a[2], 2: (a[4] + a[5]) / 2, 4: (a[8] + a[9]) / 2},
        "b": {split: (b[2 * split] + b[2 * split + 1]) / 2 for split in range(4)},
    }
    expected = compare_sequentially(means, [("b", "a")], plan_of(study, ACCURACY), metric=ACCURACY, failed=[("b", 4)])
    assert [look.repeats for look in found.pairs[0].looks] == [3]
    assert [look.p for look in found.pairs[0].looks] == pytest.approx([look.p for look in expected.pairs[0].looks])
    assert (expected.waiting, found.waiting) == ((("a", 3),), (("a", 7),))
