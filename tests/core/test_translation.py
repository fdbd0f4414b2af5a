"""Every sentence of a page has a Korean one that says the same of the same names and figures."""

from __future__ import annotations

import ast
import json
import re
import time
from collections.abc import Iterator
from itertools import product
from pathlib import Path

import pytest

from ecrnn.core.errors import EcrnnError
from ecrnn.core.translation import Translator, messages, placeholders, template
from ecrnn.stats import METRICS, compare_scores
from ecrnn.stats._across_sentences import untested

ROOT = Path(__file__).parents[2]
SOURCE = ROOT / "src" / "ecrnn"

# Modules whose texts reach a page that may be Korean, and texts in them that do not.
SPEAKING = (
    *("stats/_sentences.py", "stats/_across_sentences.py", "stats/_warnings.py", "stats/verdicts.py"),
    *("stats/failures.py", "stats/across.py", "stats/contrasts.py", "stats/mcnemar.py", "report/formats.py"),
    *("scores/score_analysis.py", "scores/records.py"),
    *("report/analysis/*.py", "report/content/*.py", "report/render/*.py", "paper/*.py", "data/check/*.py"),
    *("explain/explanation.py", "serving/evaluation.py", "tasks/captioning/predictor.py"),
    *("tasks/language_modelling/predictor.py", "serving/seq2seq.py"),
)
OTHER_PAGES = (
    "memory",
    "gradient",
    "archive",
    "latex",
    "terminal",
    "svg",
    "measurement",
    "printed",
)
NOT_ON_A_PAGE = {
    *("axes fraction", "offset points", "outside upper left", "bold red", "a run directory", "a folder"),
    *("ecrnn report across", "ecrnn tuning", "ecrnn report", "is ahead of", "the files say more", "can be read"),
    *("The paper's comparisons one by one", "All of Tables", "A and B are the models compared here"),  # CSV alone
    *(
        "the corrected test's",
        "Verdicts are the corrected test's",
        "baseline MODEL shortens the list",
        "in the report's files",
    ),
    *("Judged on", "of the largest gradient", "the prompt"),  # on the terminal
    *("does not say how many examples train and test a model", "percent reads scores in percent"),
    *("has no readable environment", "url data image", "data image jpeg", "data image png"),
}


def translated(text: str, *names: str) -> str:
    """The Korean of a text, every word of which must have one."""
    korean = Translator("ko", ["cnn", "ecnn", "crnn-16", "digits", *names])
    found = korean(text)
    assert not korean.missing, korean.missing
    return found


def test_both_sides_of_an_entry_have_the_same_placeholders() -> None:
    for english, korean in messages("ko"):
        left, right = template(english), template(korean)
        assert placeholders(left) >= placeholders(right), english
        # What is dropped is a word of English grammar, such as "is" or "are", or stands twice.
        assert placeholders(left) - placeholders(right) <= {"is", "are", "y"}, english
        assert all(left.texts[1:-1]), f"nothing stands between two placeholders of: {english}"


@pytest.mark.parametrize(
    ("english", "korean"),
    [
        (
            "crnn-16 is better than cnn by 3.8 points (95 % interval 3.3 to 4.3, corrected resampled t, Holm-adjusted "
            "p < 0.001, 9 repeats).",
            "crnn-16이 cnn보다 3.8점 낫습니다(95 % 구간 3.3~4.3, 보정된 재표집 t-검정, Holm 보정 p < 0.001, 반복 9번).",
        ),
        (
            "ecnn has the highest mean accuracy, 74.71 %, and is better than cnn and undecided against crnn-16.",
            "ecnn은 평균 정확도가 가장 높은 모델이며(74.71 %), cnn보다 낫고 crnn-16과의 우열은 알 수 없습니다.",
        ),
        (
            "Models were not matched in size or time: 392,970 to 1,715,210 parameters, 2 min 16 s to 9 min 36 s a "
            "trial.",
            "모델의 크기와 시간을 맞추지 않았습니다: 매개변수 392,970~1,715,210개, 학습 한 번에 2분 16초~9분 36초.",
        ),
        (
            "Against cnn (50.17 % accuracy): ecnn is better (+9.83 points); crnn-16 is worse (−2.10 points) (chosen "
            "after the results).",
            "cnn(정확도 50.17 %)에 견주면 ecnn은 낫습니다(+9.83점); crnn-16은 못합니다(−2.10점)(결과를 본 뒤 고름).",
        ),
        ("cnn, ecnn and crnn-16 on digits", "digits의 cnn, ecnn, crnn-16"),
        ("28 of 30", "30 가운데 28"),
        ("−0.84 to +1.11", "−0.84~+1.11"),
    ],
)
def test_it_says_the_same_of_the_same_names(english: str, korean: str) -> None:
    assert translated(english) == korean


def test_each_kind_of_verdict_has_its_sentence() -> None:
    """Metrics, numbers of repeats, differences of either sign, small and none: no word of any sentence is English."""
    said: dict[str, set[str]] = {}
    for metric, repeats, gap, noise, fixed in product(
        ("accuracy", "bits", "bleu"), (1, 2, 3, 10), (0.1, -0.1, 0.0001, 0.0), (0.02, 1e-4), (False, True)
    ):
        scores = {
            "cnn": {r: 0.5 + noise * (r % 3) for r in range(repeats)},
            "ecnn": {r: 0.5 + gap + noise * (r % 2) for r in range(repeats)},
        }
        found = compare_scores(scores, metric=METRICS[metric], n_train=700, n_test=300, fixed_test=fixed)
        for sentence in (*found.warnings, *(pair.sentence for pair in found.pairs)):
            said.setdefault(sentence, set()).add(translated(sentence))
    words = " ".join(korean for of in said.values() for korean in of)
    assert all(word in words for word in ("낫습니다", "못합니다", "동등합니다", "알 수 없습니다", "판정하지 않습니다"))
    for one, other in ((0, "없어"), (1, "1개"), (3, "3개")):
        assert other in translated(untested("cnn", "ecnn", one))


def test_names_are_never_translated() -> None:
    korean = Translator("ko", ["undecided", "Results", "the mean", "a b"])
    assert [korean(name) for name in ("undecided", "Results", "the mean")] == ["undecided", "Results", "the mean"]
    assert korean("Confusion matrix of undecided") == "undecided의 혼동 행렬"
    assert korean("a b beats the mean") == "a b가 the mean을 이김"
    assert Translator("en")("undecided") == "undecided"


def test_what_has_no_entry_stays_and_is_noted() -> None:
    korean = Translator("ko")
    assert korean("the loss is not finite at epoch 2") == "the loss is not finite at epoch 2"
    assert korean.missing == {"the loss is not finite at epoch 2"}
    with pytest.raises(EcrnnError, match="unknown language 'fr', pages are in en and ko"):
        Translator("fr")


@pytest.mark.parametrize("piece", ["a is better than b by ", "x (", "; ", "a and b, ", "1 of 2 to 3, ", "Of x. ", "("])
def test_a_text_made_to_be_slow_is_not(piece: str) -> None:
    """Names come from elsewhere and may look like sentences a thousand times."""
    korean, begun = Translator("ko"), time.process_time()
    korean(f"{piece * 900}q")
    assert time.process_time() - begun < 2


def _fragments(path: Path) -> Iterator[tuple[int, str]]:
    """The texts of two words or more in a module, cut where its figures, names and punctuation stand."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    left_out = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Raise | ast.Assert) or (
            isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
        ):
            left_out |= {id(inner) for inner in ast.walk(node)}
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in left_out:
            for part in re.split(r"[^A-Za-z' -]+", node.value):
                text = part.strip(" '-")
                if " " in text and len(re.findall("[A-Za-z']{2,}", text)) > 1:
                    yield node.lineno, text


def untranslated(path: Path) -> list[str]:
    """The texts of a module that stand in no entry."""
    entries = "\n".join(re.sub("{.*?}", "|", english) for english, _ in messages("ko")).lower()
    return [
        f"{path.name}:{line}: {text}"
        for line, text in _fragments(path)
        if text.lower() not in entries and text not in NOT_ON_A_PAGE
    ]


@pytest.mark.parametrize("pattern", SPEAKING)
def test_every_text_of_the_source_has_an_entry(pattern: str) -> None:
    paths = [path for path in sorted(SOURCE.glob(pattern)) if not any(word in path.name for word in OTHER_PAGES)]
    assert paths
    assert [line for path in paths for line in untranslated(path)] == []


def test_a_new_text_is_noticed(tmp_path: Path) -> None:
    source = tmp_path / "new.py"
    source.write_text(
        'def f(a, b):\n    """Not this one."""\n    return f"{a} surely beats {b} today: Holm-adjusted p"\n'
    )
    assert untranslated(source) == ["new.py:3: surely beats"]


def test_the_texts_of_templates_have_entries() -> None:
    entries = dict(messages("ko"))
    pages = SOURCE / "report" / "render" / "templates"
    for name in (
        "base",
        "report",
        "across",
        "tuning",
        "check",
        "evaluation",
        "metric_evaluation",
        "explanation",
        "parts",
    ):
        page = (pages / f"{name}.html.j2").read_text(encoding="utf-8")
        assert [text for text in re.findall(r'_\("(.*?)"\)', page) if text not in entries] == []
        said = re.sub(
            r"{#.*?#}|{% block style %}.*?{% endblock %}|{%.*?%}|{{.*?}}|<style>.*?</style>|<code>.*?</code>|<[^>]*>",
            " ",
            page,
            flags=re.DOTALL,
        )
        assert re.findall("[A-Za-z]{2,}", said) == [], f"{name} has text that is not translated"


def test_every_sentence_of_the_committed_reports_has_one() -> None:
    reports = sorted((ROOT / "results").rglob("report/report.json"))
    assert len(reports) > 5
    for path in reports:
        report = json.loads(path.read_text(encoding="utf-8"))
        models = {row["model"] for row in report.get("models", [])} | set(report.get("across", {}).get("models", []))
        contrasts = [one["name"] for one in report.get("comparison", {}).get("contrasts", [])]
        data_sets = [one["name"] for one in report.get("data_sets", [])]
        korean = Translator("ko", [*models, *contrasts, *data_sets, str(report.get("data"))])
        pairs = [*report.get("comparison", {}).get("pairs", []), *report.get("across", {}).get("pairs", [])]
        pairs += [one["pair"] for one in report.get("comparison", {}).get("contrasts", [])]
        said = [report["title"], report["headline"], report["certainty"], *report["warnings"]]
        said += [pair["sentence"] for pair in pairs]
        said += [text for line in report.get("fairness", []) for text in (line["what"], line["status"], line["text"])]
        for text in said:
            korean(text)
        assert korean.missing == set(), path


def test_scores_of_all_metrics_have_words() -> None:
    for metric in METRICS.values():
        translated(metric.title)
        translated(
            f"{metric.title[:1].upper()}{metric.title[1:]} on the validation images after the last epoch, over "
            "the repeats. The interval is corrected for overlapping splits (Nadeau and Bengio, 2003)."
        )
