"""`ecrnn judge`: tables in, a report out, and one line for what is wrong."""

from __future__ import annotations

import io
import json
import sys
from pathlib import Path

import pytest
from cli.conftest import Call

SCORES = "model,repeat,accuracy\n" + "".join(
    f"{m},{r},{0.7 + b + r / 200}\n" for m, b in (("a", 0), ("b", 0.1)) for r in range(4)
)
SIZES = ("--n-train", 700, "--n-test", 300)


@pytest.fixture
def scores(tmp_path: Path) -> Path:
    (tmp_path / "my scores.csv").write_text(SCORES)
    return tmp_path / "my scores.csv"


def test_a_table_becomes_a_report(call: Call, scores: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    done = call("judge", scores, *SIZES, "--baseline", "a", "--rope", "0.0123456789", "-o", out)
    assert (done.status, done.err) == (0, "")
    said, *rest = done.out.splitlines()
    assert said == (
        "my scores.csv was read as a table of scores: model from 'model', repeat from 'repeat', score from 'accuracy'; "
        "accuracy, higher is better"
    )
    assert "Against a (70.75 % accuracy): b is better (+10.00 points)." in rest
    content = json.loads((out / "report.json").read_text())
    assert content["command"] == f"ecrnn judge '{scores}' --n-train 700 --n-test 300 --baseline a --rope 0.0123456789"
    assert content["comparison"]["rope"] == 0.0123456789
    assert f"Report: {out}/report.html" in done.out


def test_the_standard_input_and_json(call: Call, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(SCORES.encode())))
    done = call("judge", "-", *SIZES, "--pairs", "b:a", "--difference", 1, "--json")
    assert done.status == 0
    content = json.loads(done.out)
    assert [pair["verdict"] for pair in content["comparison"]["pairs"]] == ["better"]
    assert content["comparison"]["pairs"][0]["repeats_needed"] == 3
    assert done.err.startswith("ecrnn: the standard input was read as a table of scores: ")
    assert (tmp_path / "runs" / "judge-scores" / "report.html").is_file()


def test_several_data_sets(call: Call, tmp_path: Path) -> None:
    lines = SCORES.splitlines()
    both = [f"dataset,{lines[0]}", *(f"{name},{line}" for name in ("iris", "wine") for line in lines[1:])]
    (tmp_path / "both.csv").write_text("\n".join(both))
    done = call("judge", tmp_path / "both.csv", *SIZES, "-o", tmp_path / "out", "--json")
    content = json.loads(done.out)
    assert {name: report["data"] for name, report in content.items()} == {"iris": "iris", "wine": "wine"}
    assert {path.name for path in (tmp_path / "out").iterdir()} == {"iris", "wine"}
    done = call("judge", tmp_path / "both.csv", *SIZES, "-o", tmp_path / "one", "--json", "--dataset", "wine")
    assert json.loads(done.out)["data"] == "wine"


def test_options_of_the_score(call: Call, tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text(
        "net,run id,quux\n" + "".join(f"{m},r{r},{v + r}\n" for m, v in (("a", 50), ("b", 40)) for r in range(3))
    )
    columns = ("--columns", "model=net, repeat=run id", "--metric", "quux")
    done = call("judge", tmp_path / "t.csv", *SIZES, *columns, "--lower-is-better", "--percent", "-o", tmp_path / "out")
    assert (done.status, done.err) == (0, "")
    assert "quux, lower is better" in done.out
    content = json.loads((tmp_path / "out" / "report.json").read_text())
    assert content["models"][1]["scores"] == [0.4, 0.41, 0.42]
    assert content["comparison"]["pairs"][0]["verdict"] == "better"
    assert "--lower-is-better --percent" in content["command"].replace(
        "--percent --lower-is-better", "--lower-is-better --percent"
    )


@pytest.mark.parametrize(
    ("arguments", "status", "line"),
    [
        ((), 2, "sizes: my scores.csv does not say how many examples train and test a model, by which the test"),
        ((*SIZES, "--metric", "f1"), 2, "unknown score 'f1', known are accuracy (my scores.csv)"),
        ((*SIZES, "--from", "mlfow"), 2, "unknown kind of table 'mlfow', did you mean 'mlflow'? (--from)"),
        ((*SIZES, "--baseline", "aa"), 2, "unknown baseline 'aa'"),
        ((*SIZES, "--columns", "model"), 2, "--columns wants ROLE=COLUMN, as in model=net,repeat=seed, not 'model'"),
        (
            (*SIZES, "--pairs", "a"),
            2,
            "--pairs wants models as A:B, with commas between pairs, as in mine:cnn, not 'a'",
        ),
        ((*SIZES, "--pairs", "a:a"), 1, "pairs must name two different models each, and each pair once"),
        ((*SIZES, "--percent"), 1, "--percent is for scores in percent, but none is above 1"),
        ((*SIZES, "--alpha", "2"), 1, "alpha must lie strictly between 0 and 1, got 2.0"),
        (
            (*SIZES, "--dataset", "iris"),
            1,
            "my scores.csv has no column that names data sets; --columns dataset=COLUMN",
        ),
    ],
)
def test_what_is_wrong_is_one_line(
    call: Call, scores: Path, arguments: tuple[object, ...], status: int, line: str, tmp_path: Path
) -> None:
    done = call("judge", scores, *arguments, "-o", tmp_path / "out")
    assert done.status == status
    assert len(done.err.splitlines()) == 1
    assert done.err.startswith(f"ecrnn: {line}"), done.err
    assert not (tmp_path / "out").exists()


def test_a_file_that_is_not_there(call: Call, tmp_path: Path) -> None:
    done = call("judge", tmp_path / "none.csv", *SIZES)
    assert (done.status, done.err) == (1, f"ecrnn: cannot read {tmp_path / 'none.csv'}: No such file or directory\n")
