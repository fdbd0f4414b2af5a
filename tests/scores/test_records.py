"""Rows as scores: a repeat is one training, and models are paired by it."""

from __future__ import annotations

import pytest

from ecrnn.core.errors import EcrnnError
from ecrnn.scores.exports import choose
from ecrnn.scores.metric_names import metric_of
from ecrnn.scores.records import Scores, read_scores
from ecrnn.scores.score_table import parse_csv, read_table
from ecrnn.stats import ACCURACY


def scores(text: str, percent: bool = False, **options: object) -> dict[str, Scores]:
    return read_scores([choose(parse_csv(text, "t.csv"), **options)], ACCURACY, percent=percent)  # type: ignore[arg-type]


def test_one_score_of_each_training() -> None:
    text = "model,repeat,accuracy,dataset,seed,split,n_train,n_test\n"
    found = scores(text + "a,0,.5,x,7,s0,70,30\nb,0,.6,x,7,s0,70,30\na,1,.7,x,8,s1,71,29\na,0,1,y,7,s0,9,1\n")
    assert {name: one.values for name, one in found.items()} == {
        "x": {"a": {0: 0.5, 1: 0.7}, "b": {0: 0.6}},
        "y": {"a": {0: 1.0}},
    }
    assert found["x"].sizes == {"n_train": {0: 70, 1: 71}, "n_test": {0: 30, 1: 29}}
    assert found["x"].seeds[("a", 1)] == "8"
    assert found["x"].one_test_set == ""


@pytest.mark.parametrize(
    ("rows", "fault"),
    [
        (
            "a,0,.5\na,0,.6",
            "t.csv, row 3 is a second score of a in repeat 0, after t.csv, row 2: a repeat is one training",
        ),
        ("a,0,.5\na,1,73.2", "t.csv, row 3, column 'accuracy': 73.2 is above 1; --percent reads scores in percent"),
        ("a,0,-.5", "t.csv, row 2, column 'accuracy': -0.5 is below 0"),
        ("a,0,", "t.csv, row 2, column 'accuracy' is empty; a number belongs there"),
        ("a,0,nan", "t.csv, row 2, column 'accuracy' is nan"),
        ("a,x,.5", "t.csv, row 2, column 'repeat': 'x' is no number"),
        (",0,.5", "t.csv, row 2, column 'model' is empty; a name belongs there"),
    ],
)
def test_a_wrong_row_is_named(rows: str, fault: str) -> None:
    with pytest.raises(EcrnnError) as caught:
        scores(f"model,repeat,accuracy\n{rows}\n")
    assert str(caught.value).startswith(fault)


def test_percent() -> None:
    assert scores("model,repeat,accuracy\na,0,73.25\n", percent=True)[""].values == {"a": {0: 0.7325}}
    with pytest.raises(EcrnnError, match=r"730 is above 100"):
        scores("model,repeat,accuracy\na,0,730\n", percent=True)
    with pytest.raises(EcrnnError, match="--percent is for scores in percent, but none is above 1"):
        scores("model,repeat,accuracy\na,0,.7\n", percent=True)


def test_models_of_a_repeat_share_its_sizes() -> None:
    with pytest.raises(EcrnnError, match="row 3, column 'n_test' is 29, but 30 in another row of repeat 0"):
        scores("model,repeat,accuracy,n_test\na,0,.5,30\nb,0,.5,29\n")


def test_repeats_that_have_names_are_numbered() -> None:
    text = "model,fold,accuracy\na,first,.5\na,second,.6\nb,second,.7\n"
    assert scores(text)[""].values == {"a": {0: 0.5, 1: 0.6}, "b": {1: 0.7}}
    rows = [{"model": "a", "fold": fold, "accuracy": 0.5} for fold in (3, 5)]
    read = read_scores([choose(read_table(rows))], ACCURACY, percent=False)
    assert read[""].values == {"a": {3: 0.5, 5: 0.5}}  # whole numbers stay
    tables = [("a.csv", "a,0,.5\na,1,.6"), ("b.csv", "b,1.0,.7\nb,0.0,.8"), ("c.csv", "c,fold 1,.9\nc,fold 0,.9")]
    chosen = [choose(parse_csv(f"model,fold,accuracy\n{rows}\n", name)) for name, rows in tables]
    assert read_scores(chosen[:2], ACCURACY)[""].values == {"a": {0: 0.5, 1: 0.6}, "b": {1: 0.7, 0: 0.8}}
    with pytest.raises(EcrnnError, match=r"repeats have numbers in a\.csv and names in c\.csv"):
        read_scores(chosen, ACCURACY)  # where fold 1 would be repeat 0
    both = "model,repeat,fold,accuracy\na,0,0,.5\na,0,1,.6\na,1,0,.7\n"
    with pytest.raises(EcrnnError, match="second score of a in repeat 0"):
        scores(both)
    assert scores(both, columns={"repeat": "repeat+fold"})[""].values == {"a": {0: 0.5, 1: 0.6, 2: 0.7}}


def test_runs_that_did_not_finish_are_kept_apart() -> None:
    text = (
        "run_id,status,params.model,params.seed,metrics.accuracy\nx,FINISHED,a,0,.5\ny,FAILED,a,1,\nz,RUNNING,b,0,.2\n"
    )
    found = scores(text)[""]
    assert found.values == {"a": {0: 0.5}}
    assert found.unfinished == [("a", 1, "FAILED"), ("b", 0, "RUNNING")]
    with pytest.raises(EcrnnError, match=r"t.csv has no finished run"):
        scores(text.replace("FINISHED", "KILLED"))


ANSWERS = "model,repeat,example,label,prediction\n"


def test_answers_are_sorted_by_example() -> None:
    found = scores(ANSWERS + "a,0,y,cat,cat\na,0,x,dog,cat\nb,0,x,dog,dog\nb,0,y,cat,cat\n")[""]
    assert found.classes == ("cat", "dog")
    a, b = found.answers["a"][0], found.answers["b"][0]
    assert (a.example.tolist(), a.correct.tolist(), a.label.tolist()) == ([0, 1], [False, True], [1, 0])
    assert (b.correct.tolist(), b.prediction.tolist()) == ([True, True], [1, 0])
    assert scores("model,repeat,example,correct\na,0,1,1\na,0,2,0\n")[""].answers["a"][0].correct.tolist() == [
        True,
        False,
    ]


@pytest.mark.parametrize(
    ("rows", "fault"),
    [
        ("a,0,x,cat,cat\na,0,x,cat,dog", "row 3 is a second answer of a in repeat 0 for example 'x', after row 2"),
        ("a,0,x,cat,cat\nb,0,y,cat,cat", "b and a are scored on other examples in repeat 0"),
        ("a,0,x,cat,cat\nb,0,x,dog,cat", "b and a have other labels for the same examples in repeat 0"),
    ],
)
def test_models_are_paired_example_by_example(rows: str, fault: str) -> None:
    with pytest.raises(EcrnnError, match=fault):
        scores(f"{ANSWERS}{rows}\n")


def test_one_test_set_is_seen() -> None:
    same = ANSWERS + "".join(f"a,{r},{e},cat,cat\n" for r in (0, 1) for e in "xy")
    assert scores(same)[""].one_test_set == "all repeats are scored on the same examples"
    assert scores(same.replace("a,1,y", "a,1,z"))[""].one_test_set == ""
    head = "model,seed,split,accuracy\n"
    assert scores(head + "a,0,own,.5\na,1,own,.5\n")[""].one_test_set == "all repeats have the split 'own'"
    assert scores(head + "a,0,test,.5\na,1,test,.5\n")[""].one_test_set == ""


@pytest.mark.parametrize("score", ["2e15", "-9e299"])
def test_scores_that_no_figure_can_be_made_of_are_refused(score: str) -> None:
    table = parse_csv(f"model,repeat,elo\na,0,1\na,1,{score}\n", "t.csv")
    with pytest.raises(EcrnnError) as caught:
        read_scores([choose(table)], metric_of("elo"))
    line = f"t.csv, row 3, column 'elo': {float(score):g} is larger than any score, 1e+15, whatever its unit"
    assert str(caught.value) == line
