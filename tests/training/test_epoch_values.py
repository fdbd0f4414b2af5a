"""The score of a finished trial: which epochs count, and where an AUC comes from."""

from __future__ import annotations

import numpy as np
import pytest

from ecrnn.core.errors import EcrnnError
from ecrnn.core.predictions import PredictedClasses, Predictions, Scored
from ecrnn.core.runs import FinishedTrial
from ecrnn.stats import ACCURACY, AUC, BITS, MACRO_F1, auc, macro_f1
from ecrnn.training.epoch_values import score

LABEL = np.array([0, 0, 1, 1, 2])
LOGITS = np.eye(3, dtype=np.float32)[[0, 1, 1, 1, 2]]
EARLIER = np.array([[0, 0, 1, 1, 1], [0, 0, 1, 1, 2]], dtype=np.int32)  # 4 and 5 of 5 right


def trial(predictions, **facts):
    lines = [{"epoch": epoch, "validation_auc": 0.1 * epoch} for epoch in range(1, 8)]
    return FinishedTrial("cnn", 0, facts, lines, predictions)


def test_a_score_is_the_mean_over_the_last_epochs_that_count():
    of = trial(Predictions(np.arange(5), LABEL, LOGITS, EARLIER))
    assert score(of, ACCURACY, 1) == pytest.approx(0.8)
    assert score(of, ACCURACY, 2) == pytest.approx((1.0 + 0.8) / 2)
    assert score(of, ACCURACY, 3) == score(of, ACCURACY, 9) == pytest.approx((0.8 + 1.0 + 0.8) / 3)
    expected = [macro_f1(LABEL, given) for given in (*EARLIER, LOGITS.argmax(axis=1))]
    assert score(of, MACRO_F1, 3) == pytest.approx(np.mean(expected))


def test_an_auc_is_of_logits_or_was_written_down():
    of = trial(Predictions(np.arange(5), LABEL, LOGITS, EARLIER), auc=0.123)
    exact = auc(LABEL, np.exp(LOGITS) / np.exp(LOGITS).sum(axis=1, keepdims=True))
    assert score(of, AUC, 1) == pytest.approx(exact)
    assert score(of, AUC, 3) == pytest.approx(np.mean([0.5, 0.6, exact]))  # of epochs 5 and 6, and the seventh
    archived = trial(PredictedClasses(np.arange(5), LABEL, LOGITS.argmax(axis=1), EARLIER), auc=0.75)
    assert score(archived, AUC, 1) == 0.75
    with pytest.raises(EcrnnError, match="cnn, repeat 0 has no AUC"):
        score(trial(PredictedClasses(np.arange(5), LABEL, LABEL)), AUC, 1)


def test_a_task_without_classes():
    nats, characters = np.array([2.0, 4.0]), np.array([10.0, 10.0])
    of = trial(Scored(np.arange(2), np.stack([nats, characters], axis=1)))
    assert score(of, BITS, 3) == pytest.approx(6 / 20 / np.log(2))
