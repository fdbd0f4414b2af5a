"""How the files beside this one were made; not run by the tests, as mlflow, tsml-eval and autorank are not installed.

mlflow 3.17.2, scikit-learn 1.9.1, tsml-eval 0.6.0, autorank 1.3.0. `python make.py mlflow`, `sklearn`, `tsml` or
`autorank` writes into the current folder.
"""

from __future__ import annotations

import json
import sys
from typing import Any

import numpy as np
from sklearn.datasets import load_digits, load_wine
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV, RepeatedKFold, ShuffleSplit, cross_validate, train_test_split
from sklearn.naive_bayes import GaussianNB
from sklearn.neighbors import KNeighborsClassifier
from sklearn.svm import SVC
from sklearn.tree import DecisionTreeClassifier


def mlflow() -> None:
    """Three classifiers on ten random 70:30 splits of digits, as runs; MLflow's own table of them."""
    import mlflow

    X, y = load_digits(return_X_y=True)
    for seed in range(10):
        a, b, c, d = train_test_split(X, y, test_size=0.3, random_state=seed)
        models = {"logistic": LogisticRegression(C=0.001, max_iter=300), "knn": KNeighborsClassifier(5)}
        for name, model in {**models, "bayes": GaussianNB()}.items():
            with mlflow.start_run(run_name=f"{name}-{seed}"):
                model.fit(a, c)
                mlflow.log_params({"model": name, "seed": seed, "n_train": len(a), "n_test": len(b)})
                mlflow.log_metric("test_accuracy", model.score(b, d))
                mlflow.log_metric("train_accuracy", model.score(a, c))
    mlflow.search_runs().to_csv("mlflow-runs.csv", index=False)


def sklearn() -> None:
    """A search's cv_results_, and cross_validate of three classifiers, on 600 digits."""
    X, y = load_digits(return_X_y=True)
    X, y = X[:600], y[:600]
    splits = ShuffleSplit(10, test_size=0.3, random_state=0)
    grid = {"C": [0.1, 1.0], "kernel": ["rbf", "linear"]}
    search = GridSearchCV(SVC(), grid, cv=splits, scoring=["accuracy", "f1_macro"], refit=False).fit(X, y)
    _write("cv_results.json", {key: _plain(value) for key, value in search.cv_results_.items()})
    folds = RepeatedKFold(n_splits=5, n_repeats=2, random_state=1)
    models = {"bayes": GaussianNB(), "tree": DecisionTreeClassifier(random_state=0), "knn": KNeighborsClassifier()}
    results = {name: cross_validate(model, X, y, cv=folds) for name, model in models.items()}
    _write("cross_validate.json", {n: {k: _plain(v) for k, v in result.items()} for n, result in results.items()})


def _plain(values: Any) -> list[Any]:
    return [value.item() if hasattr(value, "item") else value for value in values]


def _write(name: str, content: Any) -> None:
    with open(name, "w") as file:
        json.dump(content, file, indent=0)


def tsml() -> None:
    """Three classifiers on ten resamples of two data sets, in the files of tsml-eval's evaluation."""
    from tsml_eval.evaluation import multiple_estimator_evaluation as evaluation
    from tsml_eval.evaluation.storage import ClassifierResults

    evaluation._figures_for_statistic = lambda *_: None
    sets = {"Digits": load_digits(return_X_y=True), "Wine": load_wine(return_X_y=True)}
    makers = {"Bayes": GaussianNB(), "Tree": DecisionTreeClassifier(random_state=0), "KNN": KNeighborsClassifier()}
    found: dict[str, Any] = {}
    for name, model in makers.items():
        for data, (X, y) in sets.items():
            for resample in range(10):
                a, b, c, d = train_test_split(X, y, test_size=0.3, random_state=resample, stratify=y)
                shares = model.fit(a, c).predict_proba(b)
                one = ClassifierResults(
                    dataset_name=data,
                    classifier_name=name,
                    split="test",
                    resample_id=resample,
                    n_classes=shares.shape[1],
                    class_labels=d.astype(float),
                    predictions=np.argmax(shares, 1).astype(float),
                    probabilities=shares,
                )
                found.setdefault(name, {}).setdefault(data, {}).setdefault("test", {})[resample] = one
    arguments = (list(found), list(sets), list(range(10)), "test", found, "Accuracy", True, False, "accuracy", ".", "")
    evaluation._create_directory_for_statistic(*arguments)


def autorank() -> None:
    """What autorank says of mlflow-runs.csv: means, SDs, and its paired t test of each pair."""
    import pandas as pd
    from autorank import autorank

    runs = pd.read_csv("mlflow-runs.csv")
    table = runs.pivot(index="params.seed", columns="params.model", values="metrics.test_accuracy")
    pairs = {}
    for a, b in (("knn", "bayes"), ("logistic", "bayes"), ("logistic", "knn")):
        result = autorank(table[[a, b]], alpha=0.05, verbose=False, force_mode="parametric")
        pairs[f"{a}:{b}"] = {"test": result.omnibus, "p": float(result.pvalue)}
    ranks = autorank(table, alpha=0.05, verbose=False).rankdf
    means, sds = ({name: float(ranks.loc[name, of]) for name in table.columns} for of in ("mean", "std"))
    _write("autorank.json", {"autorank": "1.3.0", "pairs": pairs, "means": means, "sds": sds})


if __name__ == "__main__":
    {"mlflow": mlflow, "sklearn": sklearn, "tsml": tsml, "autorank": autorank}[sys.argv[1]]()
