"""`ecrnn.judge`: files, data sets, names that are hostile, and the same verdicts as of the study itself."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from dataclasses import fields, is_dataclass, replace
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from core.lines import one_line
from report.synthetic import make_study

import ecrnn
from ecrnn.core.errors import EcrnnError, SettingsError
from ecrnn.report import Analysis, analyse, read_study
from ecrnn.report.render.write import report_files
from ecrnn.scores import How, analyse_each, judge_across, read

EVIL = "=cmd|' /C calc'!A0\x1b[31m<b>"


def rows(models: tuple[str, ...] = ("a", "b"), **more: Any) -> list[dict[str, Any]]:
    return [
        {"model": model, "repeat": repeat, "score": 0.5 + i / 10 + repeat / 100, **more}
        for i, model in enumerate(models)
        for repeat in range(3)
    ]


def test_a_report_is_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    report = ecrnn.judge(pd.DataFrame(rows()), n_train=70, n_test=30)
    assert report.folder == Path("runs/judge-scores")
    assert {"report.html", "report.md", "report.json", "report.tex", "report.csv", "report-trials.csv"} <= set(
        report.paths
    )
    content = json.loads(report.paths["report.json"].read_text())
    assert content["settings"]["columns"] == {"model": "model", "repeat": "repeat", "score": "score"}
    assert content["comparison"]["pairs"][0]["verdict"] == "better"
    page = report.paths["report.html"].read_text()
    for absent in ("last epoch", "study.yaml", 'id="cost"', "while training"):
        assert absent not in page.lower()
    assert "whose scores are taken as they are" in page
    again = ecrnn.judge(report.paths["report-trials.csv"], out=tmp_path / "again")
    assert again.analysis.comparison == report.analysis.comparison


@pytest.mark.slow
def test_neither_torch_nor_pandas_is_loaded(tmp_path: Path) -> None:
    """Of the whole command, not of the import alone."""
    (tmp_path / "t.csv").write_text(
        "model,repeat,score\n" + "".join(f"{m},{r},0.{r}\n" for m in "ab" for r in (1, 2, 3))
    )
    code = (
        "import sys\nfrom ecrnn.cli.main import main\n"
        "try:\n    main(['judge', 't.csv', '--n-train', '7', '--n-test', '3'])\n"
        "except SystemExit as left:\n"
        "    print(left.code, [m for m in ('torch', 'pandas', 'pyarrow') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True)
    assert done.stdout.splitlines()[-1:] == ["0 []"], done.stderr


def test_hostile_names_are_shown_and_not_obeyed(tmp_path: Path) -> None:
    (analysis,) = analyse_each(read(rows(("a", EVIL))), How(70, 30)).values()
    files = report_files(analysis)
    assert all("\x1b" not in text for text in files.values())
    assert "<b>" not in files["report.html"]
    assert all(not line.startswith("=") for line in files["report.csv"].splitlines())


def test_several_data_sets(tmp_path: Path) -> None:
    table = [*rows(dataset="../../etc"), *rows(dataset="etc"), *rows(dataset="한국")]
    with pytest.raises(EcrnnError, match=r"there are 3 data sets, ../../etc, etc, 한국; dataset= names the one"):
        ecrnn.judge(table, n_train=70, n_test=30)
    report = ecrnn.judge(table, n_train=70, n_test=30, dataset="etc", out=tmp_path / "one")
    assert (report.analysis.data, report.folder) == ("etc", tmp_path / "one")
    with pytest.raises(EcrnnError, match="unknown data set 'ect'"):
        ecrnn.judge(table, n_train=70, n_test=30, dataset="ect")


@pytest.mark.parametrize(
    "judged",
    [lambda: ecrnn.judge(rows(), n_train=7, n_test=3, dataset="x"), lambda: judge_across(read(rows()), How(7, 3))],
)
def test_a_table_without_data_sets_says_so(judged: Callable[[], object]) -> None:
    with pytest.raises(
        EcrnnError, match=r"has no column that names data sets; --columns dataset=COLUMN says which it is$"
    ):
        judged()


def test_each_data_set_has_a_folder_inside(tmp_path: Path) -> None:
    from ecrnn.scores.judging import _places

    assert _places(["../../etc", "etc", "한국", "a b", "", "ETC"]) == {
        "../../etc": "etc",
        "etc": "etc-2",
        "한국": "scores",
        "a b": "a-b",
        "": "scores-2",
        "ETC": "ETC-3",
    }


@pytest.fixture(scope="module")
def studies(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("studies")
    failed = [("crnn-bilstm-16", 1)]
    return {
        "fixed": make_study(folder / "fixed", repeats=4, n_validation=300, fixed_test=True),
        "random": make_study(folder / "random", repeats=5, n_validation=400, failed=failed),
        "seeds": make_study(folder / "seeds", repeats=8, seeds_per_split=2, n_validation=300),
        "bits": make_study(
            folder / "bits",
            {"charlm-lstm-8": 2.2, "charlm-gru-8": 2.1},
            repeats=4,
            task="next-token",
            n_validation=50,
        ),
    }


@pytest.mark.usefixtures("undrawn")
@pytest.mark.parametrize("name", ["random", "bits", "seeds"])
def test_the_exported_scores_of_a_study_give_its_verdicts(name: str, studies: dict[str, Path], tmp_path: Path) -> None:
    study = analyse(read_study([studies[name]]))
    trials = tmp_path / "report-trials.csv"
    trials.write_text(report_files(study)["report-trials.csv"])
    (judged,) = analyse_each(read(trials), How()).values()
    assert_same(verdicts(judged), verdicts(study))
    for pair, other in zip(judged.comparison.pairs, study.comparison.pairs, strict=True):
        assert other.sentence.startswith(pair.sentence)  # that a training failed, a table of scores does not say
    assert judged.metric == study.metric
    of_both = zip(judged.variation, study.variation, strict=True)
    for mine, theirs in of_both:
        assert_same([mine.found.seed, mine.found.split], [theirs.found.seed, theirs.found.split])
    assert len(judged.variation) == (6 if name == "seeds" else 0)


def rows_of_examples(study: Path) -> list[dict[str, Any]]:
    return [
        {"model": trial.model, "repeat": trial.repeat, "example": int(i), "label": int(y), "prediction": int(p)}
        for trial in read_study([study]).trials
        for i, y, p in zip(*(getattr(trial.predictions, of) for of in ("index", "label", "predicted")), strict=True)
    ]


@pytest.mark.parametrize("name", ["random", "fixed", "seeds"])
def test_the_answers_of_a_study_give_its_verdicts_and_matrices(name: str, studies: dict[str, Path]) -> None:
    """On a fixed test set too, which is known by its examples."""
    study = analyse(read_study([studies[name]]))
    (judged,) = analyse_each(read(rows_of_examples(studies[name])), How(n_train=study.comparison.n_train)).values()
    assert judged.fixed_test == (name == "fixed")
    for mine, theirs in zip(judged.comparison.pairs, study.comparison.pairs, strict=True):
        assert (mine.model_a, mine.model_b, mine.verdict) == (theirs.model_a, theirs.model_b, theirs.verdict)
        for one, other in ((mine.test, theirs.test), (mine.crossed, theirs.crossed)):
            assert (one is None) == (other is None)
            if one is not None and other is not None:
                assert one.method == other.method
                ends = (other.difference, other.low, other.high, other.p)
                assert (one.difference, one.low, one.high, one.p) == pytest.approx(ends, abs=1e-12)
    for ours, his in zip(judged.comparison.models, study.comparison.models, strict=True):
        assert ours.scores == pytest.approx(his.scores, abs=1e-15)
    assert judged.confusions == study.confusions
    for one, other in zip(judged.variation, study.variation, strict=True):
        assert (one.model_a, one.model_b) == (other.model_a, other.model_b)
        assert one.found.total == pytest.approx(other.found.total, rel=1e-9)


@pytest.mark.usefixtures("undrawn")
def test_scores_of_one_test_set_have_no_verdict(studies: dict[str, Path], tmp_path: Path) -> None:
    """What the study judges over seeds and images cannot be told from its scores alone."""
    study = analyse(read_study([studies["fixed"]]))
    (tmp_path / "report-trials.csv").write_text(report_files(study)["report-trials.csv"])
    (judged,) = analyse_each(read(tmp_path / "report-trials.csv"), How()).values()
    assert judged.fixed_test
    assert {pair.verdict for pair in judged.comparison.pairs} == {None}
    assert "Judged as one test set: all repeats have the split 'own'." in judged.warnings


def verdicts(analysis: Analysis) -> list[Any]:
    """All of a pair but its sentence, and what needs the answers of single examples."""
    without = {"sentence": "", "image_test": None, "crossed": None, "crossed_p_holm": None}
    return [replace(pair, **without) for pair in analysis.comparison.pairs]


def leaves(found: Any) -> list[Any]:
    """All numbers and texts of dataclasses."""
    if is_dataclass(found) and not isinstance(found, type):
        found = [getattr(found, field.name) for field in fields(found)]
    return [leaf for part in found for leaf in leaves(part)] if isinstance(found, list | tuple) else [found]


def assert_same(found: Any, expected: Any) -> None:
    """But for the last digits: means of means are summed in another order."""
    for one, other in zip(leaves(found), leaves(expected), strict=True):
        assert one == (pytest.approx(other, rel=1e-9, abs=1e-12) if isinstance(other, float) else other)


def test_percent_and_fractions_agree(tmp_path: Path) -> None:
    hundred = [{**row, "score": 100 * row["score"]} for row in rows()]
    (a,), (b,) = (analyse_each(read(t, percent=p), How(70, 30)).values() for t, p in ((rows(), False), (hundred, True)))
    for x, y in zip(a.models, b.models, strict=True):
        assert x.scores == pytest.approx(y.scores, abs=1e-15)
    models = list(dict.fromkeys(row["model"] for row in rows()))
    mixed = [row if row["model"] == models[0] else {**row, "score": 100 * row["score"]} for row in rows()]
    (found,) = analyse_each(read(mixed, percent=True), How(70, 30)).values()
    assert any(note.startswith(f"No score of {models[0]} is above 1, as if they were") for note in found.warnings)
    assert not any("as if they were shares" in note for note in (*a.warnings, *b.warnings))
    with pytest.raises(EcrnnError, match="row 0, column 'score': 50 is above 1; --percent reads scores in percent"):
        read(hundred)


def test_files_of_different_scores_are_not_joined(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("model,repeat,acc\nm,0,.5\n")
    (tmp_path / "b.csv").write_text("model,repeat,f1\nn,0,.5\n")
    with pytest.raises(EcrnnError, match="the files hold different scores: acc, f1"):
        read([tmp_path / "a.csv", tmp_path / "b.csv"])


def test_small_scores_are_shown_with_their_digits(tmp_path: Path) -> None:
    """The mean squared error of a good regression is no 0.0000."""
    table = [
        {"model": model, "repeat": repeat, "mse": 1e-6 * (1 + extra + noise)}
        for model, extra in (("a", 0.0), ("b", 1.0))
        for repeat, noise in enumerate((0.01, 0.04 + extra / 10, 0.02, 0.03))
    ]
    report = ecrnn.judge(table, n_train=700, n_test=300, out=tmp_path)
    assert "b is worse than a by 0.000001025 mse" in report.analysis.comparison.pairs[0].sentence
    assert "| 0.000002050 |" in report.paths["report.md"].read_text(encoding="utf-8")


def test_names_are_the_same_however_they_are_spelt(tmp_path: Path) -> None:
    """Composed in the call, decomposed in the table, and the other way round: models, data sets, columns."""
    lines = [f"{name},{r},{0.5 + r / 100 + s},\xe9" for name, s in (("e\u0301", 0), ("b", 0.1)) for r in range(4)]
    (tmp_path / "t.csv").write_text("\n".join(["model,repeat,sco\u0308re,dataset", *lines]), encoding="utf-8")
    sizes: dict[str, Any] = {"n_train": 80, "n_test": 20, "lower_is_better": False, "columns": {"score": "sc\xf6re"}}
    for number, spelt in enumerate(("\xe9", "e\u0301")):
        for chosen in ({"baseline": spelt}, {"pairs": [("b", spelt)]}):
            out = tmp_path / str(number)
            report = ecrnn.judge(tmp_path / "t.csv", dataset=spelt, out=out, **sizes, **chosen)
            assert [(one.model_a, one.model_b) for one in report.analysis.comparison.pairs] == [("b", "\xe9")]
    (tmp_path / "t.csv").write_text("repeat,\xe9,e\u0301\n0,1,2\n1,2,3\n", encoding="utf-8")
    with pytest.raises(EcrnnError, match=r"t\.csv has the column .\xe9. twice"):
        ecrnn.judge(tmp_path / "t.csv", kind="wide", out=tmp_path / "twice", n_train=80, n_test=20)


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        ({"pairs": [("a",)]}, "pairs: should be names of models by two, as in [('cnn', 'mine')], not [('a',)]"),
        ({"pairs": ["ab"]}, "pairs: should be names of models by two"),
        ({"pairs": [("a", 1)]}, "pairs: should be names of models by two"),
        ({"pairs": 5}, "pairs: should be names of models by two"),
        ({"baseline": 3}, "baseline: should be the name of a model, not 3"),
        ({"alpha": "x"}, "alpha: should be a number, not 'x'"),
        ({"rope": [1]}, "rope: should be a number, not [1]"),
        ({"metric": 4}, "metric: should be a name, not 4"),
        ({"kind": 4}, "kind: should be a name, not 4"),
        ({"dataset": 4}, "dataset: should be a name, not 4"),
        ({"columns": ["a"]}, "columns: should map what is read to a column"),
        ({"columns": {"a": 1}}, "columns: should map what is read to a column"),
    ],
)
def test_what_is_no_name_and_no_number(arguments: dict[str, Any], line: str) -> None:
    scores = {"a": [0.1, 0.2, 0.3], "b": [0.2, 0.3, 0.4]}
    with one_line(SettingsError, line):
        ecrnn.judge(scores, **{"kind": "wide", "n_train": 100, "n_test": 50, **arguments})
