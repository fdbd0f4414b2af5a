"""Classifiers of scikit-learn as models: what they are known by, and what is refused."""

from __future__ import annotations

import sys

import numpy as np
import pytest
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.cluster import KMeans
from sklearn.ensemble import BaggingClassifier
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.naive_bayes import GaussianNB
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, StandardScaler
from sklearn.svm import SVC
from sklearn.tree import DecisionTreeClassifier

from ecrnn.core.errors import EcrnnError
from ecrnn.models import registry
from ecrnn.models.baselines import description, is_estimator, make_classifier, register_object
from ecrnn.models.build import build
from ecrnn.models.names import parse
from ecrnn.models.own_check import check_models
from ecrnn.models.own_code import check_workers_know, digests
from ecrnn.models.registry import register
from ecrnn.models.spec import InputSpec

SPEC = InputSpec((1, 8, 8), 3)
IMAGES = "image-classification"


@pytest.fixture(autouse=True)
def _forgets(monkeypatch):
    """What a test registers is gone after it."""
    monkeypatch.setattr(registry, "_registered", {})


@pytest.mark.parametrize(
    ("name", "kind"),
    [("majority", "DummyClassifier"), ("logistic", "LogisticRegression"), ("forest", "RandomForestClassifier")],
)
def test_by_name(name, kind):
    classifier = make_classifier(parse(name), SPEC, seed=7)
    assert type(classifier).__name__ == kind
    assert classifier.random_state == 7
    check_models(SPEC, parse(name))


@pytest.mark.parametrize("name", ["majority", "logistic", "forest"])
def test_no_network(name):
    with pytest.raises(EcrnnError, match=f"^{name} is a classifier of scikit-learn, not a network; it takes part in"):
        build(name, (1, 8, 8), 3)
    with pytest.raises(EcrnnError, match=f"{name} takes no cell, nodes or scan"):
        parse(f"{name}-16")


def test_an_object_is_copied_and_every_seed_in_it_set():
    mine = BaggingClassifier(DecisionTreeClassifier(max_depth=2, random_state=1), random_state=2)
    register_object("mine", mine, IMAGES)
    mine.estimator.max_depth = 9
    made = make_classifier(parse("mine"), SPEC, seed=5)
    assert (made.random_state, made.estimator.random_state, made.estimator.max_depth) == (5, 5, 2)
    assert (mine.random_state, mine.estimator.random_state) == (2, 1)
    register_object("mine", SVC(), IMAGES)  # again, as from the cell of a notebook
    assert type(make_classifier(parse("mine"), SPEC, seed=5)) is SVC


def double(x):
    return 2 * x


SAME = [
    (SVC(C=1.0), SVC()),
    (SVC(random_state=3, verbose=True), SVC(random_state=None)),
    (BaggingClassifier(n_jobs=3), BaggingClassifier()),
    (make_pipeline(StandardScaler(), SVC()), make_pipeline(StandardScaler(copy=True), SVC())),
    (GaussianNB(priors=np.array([0.5, 0.5])), GaussianNB(priors=np.array([0.5, 0.5]))),
    (SVC(class_weight={0: 1.0, 1: 2.0}), SVC(class_weight={0: 1.0, 1: 2.0})),
    (SVC(C=np.float64(1)), SVC(C=1.0)),
    (make_pipeline(FunctionTransformer(double), SVC()), make_pipeline(FunctionTransformer(double), SVC())),
]
OTHER = [
    (SVC(C=2.0), SVC()),
    (SVC(), LogisticRegression()),
    (make_pipeline(StandardScaler(), SVC()), make_pipeline(StandardScaler(with_std=False), SVC())),
    (make_pipeline(StandardScaler(), SVC()), make_pipeline(StandardScaler(), SVC(gamma="auto"))),
    (GaussianNB(priors=np.array([0.5, 0.5])), GaussianNB(priors=np.array([0.4, 0.6]))),
    (SVC(class_weight={0: 1.0, 1: 2.0}), SVC(class_weight={0: 1.0, 1: 3.0})),
    (BaggingClassifier(SVC()), BaggingClassifier(GaussianNB())),
    (make_pipeline(FunctionTransformer(double), SVC()), make_pipeline(FunctionTransformer(np.log1p), SVC())),
    (SVC(C=True), SVC(C="True")),
]


@pytest.mark.parametrize(("a", "b"), SAME)
def test_what_is_the_same_classifier(a, b):
    assert description("x", a) == description("x", b)


@pytest.mark.parametrize(("a", "b"), OTHER)
def test_what_is_another(a, b):
    assert description("x", a) != description("x", b)


def test_a_long_text_is_told_apart_though_scikit_learn_prints_it_in_short():
    long = [SVC(class_weight=dict.fromkeys(range(500), 1.0) | {250: value}) for value in (1.0, 2.0)]
    assert description("x", long[0]) != description("x", long[1])


def test_a_class_of_somebody_else_is_known_by_its_file(tmp_path, monkeypatch):
    code = "from sklearn.svm import SVC\nclass Mine(SVC):\n    pass\n"
    found = []
    monkeypatch.syspath_prepend(tmp_path)
    for text in (code, code + "# changed\n"):
        (tmp_path / "of_somebody.py").write_text(text)
        sys.modules.pop("of_somebody", None)
        from of_somebody import Mine

        found.append(description("x", Mine()))
    sys.modules.pop("of_somebody")
    assert found[0] != found[1] != description("x", SVC())


class Keyed(ClassifierMixin, BaseEstimator):
    """A classifier with one parameter, whatever it is."""

    def __init__(self, key=None):
        self.key = key

    def fit(self, X, y): ...

    def predict(self, X): ...


class NoCopy:
    def fit(self, X, y): ...

    def predict(self, X): ...


@pytest.mark.parametrize(
    ("thing", "line"),
    [
        (SVC, r"model 'mine': give an object, SVC\(\), not the class"),
        (LinearRegression(), "model 'mine': it should be a classifier of scikit-learn, and LinearRegression is none"),
        (KMeans(), "model 'mine': it should be a classifier of scikit-learn, and KMeans is none"),
        (NoCopy(), "model 'mine': it should be a classifier of scikit-learn, and NoCopy has no get_params"),
        (Keyed(object()), "model 'mine': parameter key is of type object, by which a study cannot know it again"),
        (Keyed(Keyed([1, {2}])), "model 'mine': parameter key.key.1 is of type set, by which"),
    ],
)
def test_what_is_no_classifier(thing, line):
    assert is_estimator(thing)
    with pytest.raises(EcrnnError, match=f"^{line}"):
        register_object("mine", thing, IMAGES)


def test_names_are_checked_as_of_any_model():
    with pytest.raises(EcrnnError, match="there is a model of this name already"):
        register_object("cnn", SVC(), IMAGES)
    with pytest.raises(EcrnnError, match="a name is lower-case words"):
        register_object("SVM", SVC(), IMAGES)


def test_a_study_knows_it_by_its_digest_and_other_processes_do_not():
    register_object("mine", SVC(), IMAGES)
    first = digests(["mine", "majority"])
    assert list(first) == ["mine"]
    register_object("mine", SVC(C=2.0), IMAGES)
    assert digests(["mine"]) != first
    with pytest.raises(EcrnnError, match="model 'mine' is known to this process alone"):
        check_workers_know(["mine"])
    check_workers_know(["majority", "logistic", "forest"])


def test_a_function_of_a_file_with_options():
    @register("svm", task=IMAGES, estimator=True, bounds={"c": (0.1, 10)})
    def svm(spec, *, c: float = 1.0):
        return SVC(C=c, max_iter=spec.classes)

    made = make_classifier(parse("svm+c=2"), SPEC, seed=0)
    assert (made.C, made.max_iter) == (2.0, 3)
    check_models(SPEC, parse("svm+c=2"))


def test_functions_that_give_something_else_are_found_out_before_a_study():
    @register("none", task=IMAGES, estimator=True)
    def none(spec):
        return None

    @register("raises", task=IMAGES, estimator=True)
    def raises(spec):
        return spec.nothing

    with pytest.raises(EcrnnError, match="model 'none': it should be a classifier of scikit-learn, and NoneType has"):
        check_models(SPEC, parse("none"))
    with pytest.raises(EcrnnError, match=r"model 'raises' \(test_baselines.py, line \d+\): building it raises Attrib"):
        check_models(SPEC, parse("raises"))
