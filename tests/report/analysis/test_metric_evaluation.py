"""One trained model of a task without classes on data: the figures, every output, and texts that mean harm."""

from __future__ import annotations

import base64
import html.parser
import io
import json
import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from report.korean import english
from report.synthetic import make_statistics
from rich.console import Console

from ecrnn.core.errors import DataError, EcrnnError
from ecrnn.report import (
    Example,
    MetricEvaluation,
    evaluate_scores,
    metric_evaluation_json,
    metric_evaluation_page,
    print_metric_evaluation,
    write_metric_evaluation,
)
from ecrnn.report.content.evaluation_tables import examples_table
from ecrnn.stats import ACCURACY, BITS, BLEU, BLEU_1, BLEU_2, CER, WER, bootstrap_metric

HOSTILE = "<script>alert('x')</script> & \"quoted\" {{ 7 * 7 }} [bold]b[/] \x1b[31m\x00\ud800 한국어\nsecond line"


def _png() -> bytes:
    file = io.BytesIO()
    Image.new("L", (20, 8), 100).save(file, "PNG")
    return file.getvalue()


def _statistics(metric: str, score: float, n: int = 200) -> np.ndarray:
    return make_statistics(np.random.default_rng(0), metric, np.arange(n), score)


@pytest.fixture
def read() -> MetricEvaluation:
    """A reader of lines, with its word error rate, the share of lines without an error, and hostile examples."""
    edits = _statistics("cer", 0.05)
    examples = [
        Example("line-1.png", ("abc",), "abd", 1 / 3, _png()),
        Example(HOSTILE, (HOSTILE, "second reference"), HOSTILE),
    ]
    right = np.stack([edits[:, 0] == 0, np.ones(200)], axis=1)
    others = [(WER, np.stack([edits[:, 0] > 0, np.full(200, 2)], axis=1)), (ACCURACY, right)]
    facts = {"Search": f"prefix beam of 10 {HOSTILE}"}
    return evaluate_scores(
        edits,
        task="transcription",
        model="ocr",
        data="captcha",
        n_note="the test part",
        others=others,
        facts=facts,
        examples=examples,
    )


class _Page(html.parser.HTMLParser):
    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.words: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.words.append(data)


def _printed(made: MetricEvaluation, width: int = 120) -> str:
    console = Console(file=io.StringIO(), width=width)
    print_metric_evaluation(made, console)
    return console.file.getvalue()  # type: ignore[attr-defined]


def test_figures_are_those_of_stats_in_every_output(read: MetricEvaluation, tmp_path: Path) -> None:
    edits = _statistics("cer", 0.05)
    own = bootstrap_metric(edits, CER)
    assert read.figures[0].score == own
    assert own.estimate == edits[:, 0].sum() / edits[:, 1].sum()
    shown, ends = f"{100 * own.estimate:.2f} %", f"95 % interval {100 * own.low:.2f} to {100 * own.high:.2f}"
    assert read.headline == f"ocr on 200 images of captcha: {shown} character error rate ({ends})."
    paths = write_metric_evaluation(read, tmp_path / "out")
    content = json.loads(paths["evaluation.json"].read_text(encoding="utf-8"))
    assert (content["task"], content["metric"], content["n"]) == ("transcription", "cer", 200)
    assert content["figures"]["cer"] == {
        "estimate": own.estimate,
        "low": own.low,
        "high": own.high,
        "level": 0.95,
    }
    assert list(content["figures"]) == ["cer", "wer", "accuracy"]
    assert content["examples"][0] == {"input": "line-1.png", "expected": ["abc"], "given": "abd", "cer": 1 / 3}
    assert (content["kind"], content["format"]) == ("ecrnn evaluation", 1)
    page, printed = paths["evaluation.html"].read_text(encoding="utf-8"), _printed(read)
    for text in (page, printed):
        for words in (shown, ends, "Word error rate", "33.33", "abd", "none of the images was trained on"):
            assert words in text, words
    assert "200 (the test part)" in page
    korean = write_metric_evaluation(replace(read, facts={"Search": "greedy"}), tmp_path / "ko", "ko")[
        "evaluation.html"
    ]
    assert (
        english(
            korean.read_text(encoding="utf-8"),
            [
                HOSTILE.split("\x1b", maxsplit=1)[0],
                "31m",
                "x00",
                "ud800",
                "second line",
                "second reference",
                "captcha",
                "line-1.png",
                "abc",
                "abd",
                "ocr",
                "x1b",
            ],
        )
        == []
    )


def test_images_stand_in_the_page_alone(read: MetricEvaluation) -> None:
    page = _Page(metric_evaluation_page(read))
    (image,) = [attributes for tag, attributes in page.tags if tag == "img"]
    kind, _, content = str(image["src"]).partition(",")
    assert kind == "data:image/png;base64"
    assert base64.b64decode(content) == _png()
    assert "img-src data:" in metric_evaluation_page(read)
    assert "iVBOR" not in metric_evaluation_json(read)


def test_hostile_texts_are_shown_and_not_obeyed(read: MetricEvaluation) -> None:
    text = metric_evaluation_page(read)
    page = _Page(text)
    assert not {"script", "iframe", "object", "form"} & {tag for tag, _ in page.tags}
    assert all(not key.startswith("on") for _, attributes in page.tags for key in attributes)
    assert "{{ 7 * 7 }}" in text
    harmless = HOSTILE.replace("\x1b", "\\x1b").replace("\x00", "\\x00").replace("\ud800", "\\ud800")
    assert sum(harmless in words for words in page.words) == 3  # the input, an expected text, the one given
    assert any(harmless.replace("\n", "\\n") in words for words in page.words)  # a fact, which is one line
    assert json.loads(metric_evaluation_json(read))["examples"][1]["given"] == HOSTILE
    printed = _printed(read, width=200)
    assert "\x1b" not in printed
    assert "\x00" not in printed
    assert "[bold]b[/]" in printed
    for made in (text, printed, metric_evaluation_json(read)):
        made.encode("utf-8")


def test_bits_and_bleu_have_their_own_words() -> None:
    bits = evaluate_scores(_statistics("bits", 1.6), task="next-token", model="charlm", data="shakespeare")
    assert re.fullmatch(
        r"charlm on 200 blocks of shakespeare: 1\.\d{4} bits a character "
        r"\(95 % interval 1\.\d{4} to 1\.\d{4}\)\.",
        bits.headline,
    )
    assert bits.figures[0].metric is BITS
    rows = _statistics("bleu", 0.5)
    made = evaluate_scores(
        rows, task="translation", model="translate", data="multi30k", others=[(BLEU_1, rows), (BLEU_2, rows)]
    )
    assert [own.metric for own in made.figures] == [BLEU, BLEU_1, BLEU_2]
    values = [own.score.estimate for own in made.figures]
    assert values == pytest.approx([0.5, 0.5, 0.5], abs=0.03)  # every n-gram is found as often
    for text in (metric_evaluation_page(made), _printed(made)):
        assert "BLEU-1" in text
        assert "sentences" in text
        assert "image" not in text
        assert "Examples" not in text  # there are none


def test_a_terminal_shows_the_first_examples_and_cuts_long_texts() -> None:
    examples = [Example(f"source {i}", ("x" * 1000,), "given") for i in range(30)]
    rows = _statistics("bleu", 0.5)
    made = evaluate_scores(rows, task="translation", model="m", data="d", examples=examples)
    printed = _printed(made, width=100)
    assert "source 9" in printed
    assert "source 10" not in printed
    assert printed.count("x") < 10 * 300
    assert max(map(len, printed.splitlines())) <= 100
    assert "10 of 200 sentences." in examples_table(made, 10).caption
    assert [column.title for column in examples_table(made).columns] == ["Input", "Expected", "Given"]  # no BLEU of one
    assert metric_evaluation_page(made).count("x" * 1000) == 30


@pytest.mark.parametrize(
    ("options", "error", "line"),
    [
        (
            {"statistics": np.ones((3, 4))},
            EcrnnError,
            r"should have the shape \(n, 2\): edits, characters, got \(3, 4\)",
        ),
        ({"others": [(WER, np.ones((2, 2)))]}, DataError, "word error rate is of 2 images, not of 3"),
        ({"examples": [Example("a.jpg", ("a",), "b", image=b"\xff\xd8")]}, DataError, "'a.jpg' is not a PNG file"),
    ],
)
def test_what_cannot_be_judged_is_one_line(options, error, line: str) -> None:
    wanted = {"statistics": np.ones((3, 2)), "task": "transcription", "model": "ocr", "data": "captcha"} | options
    with pytest.raises(error, match=line) as caught:
        evaluate_scores(wanted.pop("statistics"), **wanted)
    assert "\n" not in str(caught.value)


def test_the_same_evaluation_gives_the_same_bytes(read: MetricEvaluation) -> None:
    assert metric_evaluation_page(read) == metric_evaluation_page(read)
    other = evaluate_scores(_statistics("cer", 0.05), task="transcription", model="ocr", data="captcha", seed=1)
    assert other.figures[0].score != read.figures[0].score
