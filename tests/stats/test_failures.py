"""Failed trainings in the sentences of a comparison."""

import numpy as np
import pytest

from ecrnn.core.errors import EcrnnError
from ecrnn.stats import MACRO_F1, compare, compare_scores
from ecrnn.stats.failures import failures_of


def test_every_sentence_with_the_model_says_how_often_it_failed():
    rng = np.random.default_rng(0)
    scores = {m: {r: rng.random(300) < p for r in range(10)} for m, p in (("cnn", 0.7), ("crnn", 0.9), ("ecnn", 0.7))}
    del scores["crnn"][4]
    found = compare(scores, 700, 300, failed={"crnn": [4]})
    line = "crnn failed in 1 of 10 trainings (95 % interval 0.3 to 44.5 %), and its score is of those that succeeded."
    assert [pair.sentence.endswith(line) for pair in found.pairs] == [True, False, True]
    assert found.pairs[0].sentence.startswith("crnn is better than cnn by ")
    crnn = found.models[1]
    assert (crnn.failed, failures_of(crnn)) == ((4,), line)
    assert crnn.failure.low == pytest.approx(1 - 0.975**0.1), "none of ten fails with probability 0.975"
    assert (found.models[0].failed, found.models[0].failure, failures_of(found.models[0])) == ((), None, "")


def test_a_model_that_always_failed():
    found = compare_scores({"a": [0.5, 0.6], "b": {}}, 70, 30, metric=MACRO_F1, failed={"b": [1, 0]})
    assert found.models[1].failed == (0, 1)
    assert found.pairs[0].sentence.endswith(
        "b failed in 2 of 2 trainings (95 % interval 15.8 to 100.0 %), so it has no score."
    )


def test_a_repeat_does_not_fail_and_have_scores():
    with pytest.raises(EcrnnError, match="repeat 1 of a cannot both have failed and have scores"):
        compare_scores({"a": [0.5, 0.6]}, 70, 30, metric=MACRO_F1, failed={"a": [1]})
