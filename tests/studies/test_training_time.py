"""The time of a training, extrapolated: what is timed, and that it is near what a training takes."""

import time

import pytest

from ecrnn.core.devices import resolve
from ecrnn.models.names import parse
from ecrnn.studies import training_time
from ecrnn.studies.tasks import prepare
from ecrnn.studies.training_time import time_training
from ecrnn.studies.trials import load, split_of


def timed(settings, model):
    data, name = load(settings), parse(model)
    split = split_of(data, settings, 0)
    processor = prepare(name.task, data, split, settings)
    return time_training(name, data, split, processor, resolve(settings.of_trial(model, 0).training), 0)


def test_steps_are_timed_and_extrapolated(study, monkeypatch):
    found = timed(study.settings(training={"epochs": 20}), "cnn")
    assert (found.steps_an_epoch, found.steps, found.epochs) == (5, 3, 20)  # two of five are not timed
    assert 0 < found.seconds < 60


def test_no_more_steps_than_the_time_allows(study, monkeypatch):
    monkeypatch.setattr(training_time, "SECONDS", 0.0)
    assert timed(study.settings(), "cnn").steps == 1


def test_time_grows_with_the_length_of_a_step(study, monkeypatch):
    """Each step made 50 ms longer: 20 epochs of 5 steps take at least 5 s."""
    step = training_time.Trainer.step
    monkeypatch.setattr(training_time.Trainer, "step", lambda self, at: (time.sleep(0.05), step(self, at))[1])
    found = timed(study.settings(training={"epochs": 20}), "cnn")
    assert found.seconds > 20 * 5 * 0.05
    assert found.seconds < 20 * 5 * 0.05 * 4 + 20


def test_a_classifier_is_fitted_whole(study):
    found = timed(study.settings(models=("logistic", "cnn")), "logistic")
    assert (found.steps, found.steps_an_epoch, found.epochs) == (1, 1, 1)
    assert found.seconds > 0


def test_a_network_of_one_step(study):
    assert timed(study.settings(training={"batch_size": 64}), "cnn").steps == pytest.approx(1)
