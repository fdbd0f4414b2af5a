"""Which tool a table is from, and which columns are taken."""

from __future__ import annotations

import pytest

from ecrnn.core.errors import EcrnnError
from ecrnn.scores.exports import Choice, choose
from ecrnn.scores.score_table import Table, parse_csv, read_table

MLFLOW_PAGE = "Start Time,Duration,Run ID,Name,Source Type,Source Name,User,Status,model,seed,val_acc,note"
WANDB = '"Name","State","Notes","User","Tags","Created","Runtime","Sweep","model_type","seed","test/acc","epoch"'


def chosen(header: str, row: str, **options: object) -> Choice:
    return choose(parse_csv(f"{header}\n{row}\n", "t.csv"), **options)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("header", "row", "said"),
    [
        (
            "model,repeat,score",
            "a,0,.5",
            "a table of scores: model from 'model', repeat from 'repeat', score from 'score'",
        ),
        (
            "Algorithm,Fold,AUC",
            "a,0,.5",
            "a table of scores: model from 'Algorithm', repeat from 'Fold', score from 'AUC'",
        ),
        (
            "run_id,status,params.model,params.seed,metrics.acc",
            "x,FINISHED,a,3,.5",
            "MLflow runs: model from 'params.model', repeat from 'params.seed', score from 'metrics.acc', seed from "
            "'params.seed', state from 'status'",
        ),
        (
            MLFLOW_PAGE,
            "now,1s,x,run,LOCAL,s.py,me,FINISHED,a,3,.5,hm",
            "MLflow runs, as its page exports them: model from 'model', repeat from 'seed', score from 'val_acc', seed "
            "from 'seed', state from 'Status'",
        ),
        (
            WANDB,
            "deep-sea-1,finished,,me,,now,12,,a,3,.5,15",
            "Weights & Biases runs: model from 'model_type', repeat from 'seed', score from 'test/acc', seed from "
            "'seed', state from 'State'",
        ),
        (
            "nr,task_id,learner_id,resampling_id,iteration,classif.ce",
            "1,sonar,classif.rpart,cv,1,.3",
            "mlr3's scores: model from 'learner_id', repeat from 'iteration', score from 'classif.ce', dataset from "
            "'task_id'",
        ),
    ],
)
def test_what_is_taken_is_said(header: str, row: str, said: str) -> None:
    assert chosen(header, row).sentence() == f"t.csv was read as {said}"


def test_a_run_name_is_a_model_only_where_runs_share_it() -> None:
    head = "run_id,params.seed,metrics.acc,tags.mlflow.runName\n"
    shared = parse_csv(head + "x,0,.5,cnn\ny,1,.5,cnn\n", "t.csv")
    assert choose(shared).roles["model"] == "tags.mlflow.runName"
    with pytest.raises(EcrnnError, match=r"none of t.csv is known as the model; --columns model=COLUMN names it"):
        choose(parse_csv(head + "x,0,.5,red-fox-1\ny,1,.5,blue-fish-2\n", "t.csv"))
    nested = read_table([{"run_id": "x", "params.seed": 0, "metrics.acc": 0.5, "tags.mlflow.runName": {}}] * 2)
    assert choose(nested).roles["model"] == "tags.mlflow.runName"  # and its cells are said to be no names


@pytest.mark.parametrize(
    ("header", "row", "options", "fault"),
    [
        (
            "run_id,params.model,params.seed,metrics.a,metrics.b",
            "x,m,0,1,2",
            {},
            "t.csv has several scores; --metric names one of a, b",
        ),
        ("model,repeat,acc,f1", "m,0,1,1", {}, "several scores; --metric names one of acc, f1"),
        ("model,repeat,height", "m,0,1", {}, "no column of t.csv is known as a score; --metric names it, among height"),
        ("model,repeat,acc", "m,0,1", {"metric": "f1"}, "unknown score 'f1', known are acc"),
        ("model,score", "m,1", {}, "columns: none of t.csv is known as the repeat"),
        ("cnn,mlp", ".5,.6", {}, "known as the model; .*among cnn, mlp; --from wide reads a column a model"),
        ("model,repeat,score", "m,0,1", {"kind_name": "mlfow"}, "unknown kind of table 'mlfow', did you mean 'mlflow'"),
        (
            "model,repeat,score",
            "m,0,1",
            {"kind_name": "mlflow"},
            "t.csv does not look like mlflow: its columns are model,",
        ),
        ("model,repeat,score", "m,0,1", {"columns": {"mode": "model"}}, "unknown role 'mode', did you mean 'model'"),
        ("model,repeat,score", "m,0,1", {"columns": {"repeat": "sed"}}, "unknown column 'sed'"),
        ("Estimators:,A,B", "Wine,.5,.6", {}, "one mean a data set and no repeats"),
        ("nr,task_id,learner_id,iters,classif.ce", "1,a,b,3,.5", {}, "as of bmr[$]aggregate.*; bmr[$]score"),
        ("model,repeat,correct", "m,0,1", {}, "a row an example, but no column 'example'"),
        ("model,repeat,label,prediction", "m,0,cat,dog", {}, "a row an example, but no column 'example'"),
        ("model,repeat,example,correct", "m,0,1,1", {"columns": {"score": "correct"}}, "leave score out of --columns"),
    ],
)
def test_what_cannot_be_chosen(header: str, row: str, options: dict[str, object], fault: str) -> None:
    with pytest.raises(EcrnnError, match=fault):
        chosen(header, row, **options)


def test_text_in_a_column_of_scores_does_not_hide_it() -> None:
    """Its cells are said to be wrong; a column that only shares the name of a score is passed over."""
    assert chosen("model,repeat,score", "m,0,abc").roles["score"] == "score"
    assert chosen("model,repeat,accuracy,precision", "m,0,.5,float32").roles["score"] == "accuracy"


def test_several_columns_number_a_repeat() -> None:
    choice = chosen("model,repeat,fold,score", "m,0,1,.5", columns={"repeat": "repeat+fold"})
    assert choice.parts == ("repeat", "fold")


def test_answers_have_a_row_an_example() -> None:
    choice = chosen("model,repeat,example,label,prediction", "m,0,e,cat,dog")
    assert choice.metric == "accuracy"
    assert {"example", "label", "prediction"} <= choice.roles.keys()
    assert "score" not in choice.roles


def test_a_file_of_scores_may_be_of_any_name() -> None:
    assert choose(Table("t", {"model": ["m"], "repeat": [0], "quux": [1]}, [0]), metric="quux").metric == "quux"
