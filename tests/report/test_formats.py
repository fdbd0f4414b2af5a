"""Numbers as text, at the edges."""

from __future__ import annotations

import pytest

from ecrnn.report import formats


@pytest.mark.parametrize(
    ("shown", "expected"),
    [
        (formats.percent(0.7325), "73.25"),
        (formats.percent(-0.0000001), "0.00"),
        (formats.percent(None), "–"),
        (formats.points(0.0383), "+3.83"),
        (formats.points(-0.0017), "−0.17"),
        (formats.points(-1e-9), "0.00"),
        (formats.p_value(0.0), "< 0.0001"),
        (formats.p_value(0.00234), "0.0023"),
        (formats.p_value(0.0471), "0.047"),
        (formats.p_value(1.0), "1.000"),
        (formats.probability(0.99999), "> 0.999"),
        (formats.probability(1.0), "1"),
        (formats.probability(0.0), "0"),
        (formats.count(1715210), "1,715,210"),
        (formats.duration(0.4219), "0.42 s"),
        (formats.duration(12.34), "12.3 s"),
        (formats.duration(59.97), "1 min 00 s"),
        (formats.duration(252), "4 min 12 s"),
        (formats.duration(3599.7), "1 h 00 min"),
        (formats.duration(7500), "2 h 05 min"),
        (formats.duration(300_000), "3 d 11 h"),
        (formats.moment("2026-01-10T12:30:00+02:00"), "2026-01-10 10:30 UTC"),
        (formats.moment("yesterday"), "yesterday"),
        (formats.listed(["a"]), "a"),
        (formats.listed(["a", "b", "c"]), "a, b and c"),
        (formats.listed(list("abcde")), "5 models"),
        (formats.number(-1.234), "−1.23"),
    ],
)
def test_text_of_a_number(shown: str, expected: str) -> None:
    assert shown == expected
