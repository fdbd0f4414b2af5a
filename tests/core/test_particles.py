"""Particles after words, figures and names of models, as they are read aloud."""

from __future__ import annotations

import pytest

from ecrnn.core.particles import with_particle


@pytest.mark.parametrize(
    ("word", "read"),
    [
        ("모델", "모델은 모델이 모델을 모델과 모델로"),
        ("정확도", "정확도는 정확도가 정확도를 정확도와 정확도로"),
        ("학습", "학습은 학습이 학습을 학습과 학습으로"),
        ("crnn-bilstm-16", "crnn-bilstm-16은 crnn-bilstm-16이 crnn-bilstm-16을 crnn-bilstm-16과 crnn-bilstm-16으로"),
        ("crnn-lstm-32", "crnn-lstm-32는 crnn-lstm-32가 crnn-lstm-32를 crnn-lstm-32와 crnn-lstm-32로"),
        ("cnn", "cnn은 cnn이 cnn을 cnn과 cnn으로"),
        ("0.5", "0.5는 0.5가 0.5를 0.5와 0.5로"),
        ("0.50", "0.50은 0.50이 0.50을 0.50과 0.50으로"),
        ("1,000", "1,000은 1,000이 1,000을 1,000과 1,000으로"),
        ("7", "7은 7이 7을 7과 7로"),
        ("31.1", "31.1은 31.1이 31.1을 31.1과 31.1로"),
        ("85 %", "85 %는 85 %가 85 %를 85 %와 85 %로"),
        ("MLP", "MLP는 MLP가 MLP를 MLP와 MLP로"),
        ("BLEU", "BLEU는 BLEU가 BLEU를 BLEU와 BLEU로"),
        ("html", "html은 html이 html을 html과 html로"),
        ("logistic", "logistic은(는) logistic이(가) logistic을(를) logistic과(와) logistic으로(로)"),
        ("?", "?은(는) ?이(가) ?을(를) ?과(와) ?으로(로)"),
    ],
)
def test_the_particle_is_that_of_the_last_sound(word: str, read: str) -> None:
    assert [with_particle(word, particle) for particle in ("은", "이", "을", "과", "으로")] == (
        read.split() if " " not in word else [f"{word}{ending.removeprefix('%')}" for ending in read.split()[1::2]]
    )
