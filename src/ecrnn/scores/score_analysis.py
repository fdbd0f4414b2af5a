"""From the scores of one data set to what a report shows, as `ecrnn.report.analyse` does from a study."""

from __future__ import annotations

import re
import reprlib
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from importlib import metadata
from numbers import Real
from typing import Any

import numpy as np

from ecrnn.core.errors import EcrnnError, SettingsError
from ecrnn.core.spelling import nfc
from ecrnn.core.text import counted
from ecrnn.report import formats
from ecrnn.report.analysis.confusion import confusion
from ecrnn.report.analysis.headline import certainty, failures, headline
from ecrnn.report.analysis.schema import (
    Analysis,
    FairnessLine,
    MissingTrial,
    ModelRow,
    ScoreRow,
    Subject,
    TrialRow,
)
from ecrnn.report.analysis.seeds_per_split import Influence, note, variation, with_failed_trainings
from ecrnn.report.analysis.subject import repeats_fact
from ecrnn.scores.records import Scores
from ecrnn.scores.split_means import means, seeds_of, split_numbers
from ecrnn.stats import (
    CLASS_SCORES,
    Comparison,
    Metric,
    ModelScores,
    class_scores,
    compare,
    compare_scores,
    summarise,
)

EXAMPLES, PART = "examples", "test"
_FAILED = frozenset({"failed", "crashed"})  # states of runs, in small letters; one that was killed did not fail
_SEED = re.compile(r"(?i)seed|random_state")  # in the name of a column
_TAKEN = frozenset(item.name for item in fields(TrialRow)) - {"score", "best_score"}  # as a column of a report


@dataclass(frozen=True)
class Origin:
    """Where a table came from, and how it was asked for.

    Attributes:
        files: names of its files.
        sentence: what was read as what, a line.
        command: that gives the report again.
        settings: of the reading, for report.json.
    """

    files: tuple[str, ...]
    sentence: str
    command: str
    settings: Mapping[str, Any]


@dataclass(frozen=True)
class How:
    """How scores are judged; as the arguments of `ecrnn.judge`."""

    n_train: int | None = None
    n_test: int | None = None
    fixed_test: bool = False
    baseline: str | None = None
    pairs: Sequence[tuple[str, str]] | None = None
    rope: float | None = None
    difference: float | None = None
    alpha: float = 0.05

    def __post_init__(self) -> None:
        """Check what the fields are; names of models are composed, as those of the tables are."""
        for name in ("n_train", "n_test", "rope", "difference", "alpha"):
            if not isinstance(value := getattr(self, name), Real | None):
                raise SettingsError(name, f"should be a number, not {reprlib.repr(value)}")
        if not isinstance(self.baseline, str | None):
            raise SettingsError("baseline", f"should be the name of a model, not {reprlib.repr(self.baseline)}")
        if self.baseline is not None:
            object.__setattr__(self, "baseline", nfc(self.baseline))
        if self.pairs is not None:
            object.__setattr__(self, "pairs", [(nfc(one), nfc(other)) for one, other in _pairs(self.pairs)])


def _pairs(pairs: object) -> Iterator[tuple[str, str]]:
    """Pairs of names, as they were passed in Python."""
    for pair in pairs if isinstance(pairs, Sequence) and not isinstance(pairs, str) else [pairs]:
        match pair:
            case [str(one), str(other)]:
                yield one, other
            case _:
                raise SettingsError(
                    "pairs", f"should be names of models by two, as in [('cnn', 'mine')], not {reprlib.repr(pairs)}"
                )


def analyse_scores(scores: Scores, metric: Metric, how: How, origin: Origin) -> Analysis:
    """All figures of a report.

    Args:
        scores: of one data set.
        metric: what the scores are values of.
        how: sizes, models and levels.
        origin: where they came from.

    Raises:
        UnknownNameError: the baseline, or a model of the pairs, is not among the models.
        SettingsError: neither the table nor the caller names the sizes.
        EcrnnError: repeats of one split, or as `ecrnn.stats.compare`.
    """
    metric = named(metric)
    fixed = "--fixed-test says so" if how.fixed_test else scores.one_test_set
    numbers = None if fixed else split_numbers(scores)
    seeds = 1 if numbers is None else seeds_of(numbers)
    n_train, n_test = _sizes(scores, how, origin.files, fixed=bool(fixed))
    how = replace(how, n_train=n_train, n_test=n_test, fixed_test=bool(fixed))
    trained = {model: len(of) for model, of in (scores.values or scores.answers).items()}
    comparison = _compared(scores, metric, how, numbers)
    if numbers is not None:
        comparison = with_failed_trainings(comparison, trained, _failed(scores))
    models = tuple(_row(model) for model in comparison.models)
    subject = Subject(
        metric=metric,
        metric_of_epochs=None,
        examples=EXAMPLES,
        part=PART,
        moment="",
        facts=_facts(scores, comparison, origin, fixed, seeds),
        again="This command makes the report again from the same file.",
        source=f"Made by `ecrnn judge` from {', '.join(origin.files)}, whose scores are taken as they are.",
    )
    return Analysis(
        title=f"{formats.listed(scores.models)} on {scores.dataset or ', '.join(origin.files)}",
        headline=" ".join([headline(comparison, models, subject), *failures(comparison, _failed(scores))]),
        certainty=certainty(comparison, models, subject),
        warnings=(
            *([note(seeds)] if seeds > 1 else ()),
            *comparison.warnings,
            *_notes(scores, comparison, origin, fixed),
        ),
        task="",
        data=scores.dataset or ", ".join(origin.files),
        classes=scores.classes,
        settings=dict(origin.settings),
        folders=origin.files,
        planned=sum(trained.values()) + len(scores.unfinished),
        comparison=comparison,
        models=models,
        class_scores=tuple(_class_scores(scores, n_train, n_test, fixed, numbers)),
        trials=_trials(scores, metric),
        curves=(),
        confusions=tuple(_confusion(scores, model) for model in scores.answers if scores.classes),
        fairness=_fairness(scores, comparison, origin, fixed),
        missing=tuple(
            MissingTrial(model, repeat, state, f"the run is {state}, so it has no score")
            for model, repeat, state in scores.unfinished
        ),
        paper_warning="",  # there are no images, and no test of them
        supplement=None,
        environment={"Versions": ", ".join(f"{name} {metadata.version(name)}" for name in ("ecrnn", "numpy", "scipy"))},
        command=origin.command,
        finished="",
        subject=subject,
        variation=() if numbers is None else variation(comparison, *_by_training(scores, metric), numbers, seeds),
    )


def named(metric: Metric) -> Metric:
    """The metric under a name that no other column of a report has."""
    return replace(metric, name=f"{metric.name}_score") if metric.name in _TAKEN else metric


def _sizes(scores: Scores, how: How, files: Sequence[str], *, fixed: bool) -> tuple[int, int]:
    """n_train and n_test: what the caller says, what the table says, and of rows of examples how many there are."""
    found: dict[str, int | None] = {"n_train": how.n_train, "n_test": how.n_test}
    for size, known in scores.sizes.items():
        if found[size] is None and known:
            found[size] = round(np.mean([known[repeat] for repeat in sorted(known)]))
    if found["n_test"] is None and scores.answers:
        found["n_test"] = round(np.mean([len(a.example) for of in scores.answers.values() for a in of.values()]))
    n_train, n_test = found["n_train"], found["n_test"]
    if n_train is None or n_test is None:
        lacking = " and ".join(f"--{size.replace('_', '-')}" for size, value in found.items() if value is None)
        line = f"{files[0]} does not say how many examples train and test a model"
        if fixed:
            raise SettingsError("sizes", f"{line}, which the report shows; add {lacking}")
        raise SettingsError(
            "sizes",
            f"{line}, by which the test corrects for overlapping splits; add {lacking}; of k folds of N examples they "
            "are N(k-1)/k and N/k",
        )
    return n_train, n_test


def _compared(scores: Scores, metric: Metric, how: How, numbers: Mapping[int, int] | None) -> Comparison:
    options: dict[str, Any] = {
        **vars(how),
        "metric": metric,
        "difference": None if how.difference is None else how.difference / metric.scale,
        "noun": EXAMPLES,
        "failed": _failed(scores) if numbers is None else None,
    }
    if scores.values or not metric.binary:
        values = {model: means(of, numbers) for model, of in _values(scores, metric).items()}
        return compare_scores(values, **options)
    correct = {model: means(of, numbers) for model, of in _correct(scores).items()}
    index = {r: answers.example for of in scores.answers.values() for r, answers in of.items()}
    if numbers is not None:
        index = {numbers[repeat]: examples for repeat, examples in index.items()}
    comparison = compare(correct, index=index, **options)
    return replace(comparison, pairs=tuple(replace(pair, image_test=None) for pair in comparison.pairs))


def _correct(scores: Scores) -> dict[str, dict[int, Any]]:
    """Whether each example is right, by model and repeat."""
    return {model: {r: answers.correct for r, answers in of.items()} for model, of in scores.answers.items()}


def _values(scores: Scores, metric: Metric) -> dict[str, dict[int, float]]:
    """The score of each training, by model and repeat."""
    if scores.values:
        return scores.values
    if metric.binary:
        return {
            model: {r: float(correct.mean()) for r, correct in of.items()} for model, of in _correct(scores).items()
        }
    return {model: {r: _value(scores, model, r, metric) for r in of} for model, of in scores.answers.items()}


def _by_training(scores: Scores, metric: Metric) -> tuple[dict[str, dict[int, float]], Influence | None]:
    """The score of each training, and what each example adds to it where that is known."""
    by_examples = metric.binary and not scores.values
    influence = {
        model: {r: correct.astype(np.float64) for r, correct in of.items()} for model, of in _correct(scores).items()
    }
    return _values(scores, metric), influence if by_examples else None


def _failed(scores: Scores) -> dict[str, list[int]]:
    """The repeats of each model whose training failed, and that no other run has a score of."""
    found: dict[str, list[int]] = {}
    for model, repeat, state in scores.unfinished:
        if state.lower() in _FAILED and repeat not in (scores.values or scores.answers).get(model, {}):
            found.setdefault(model, []).append(repeat)
    return found


def _value(scores: Scores, model: str, repeat: int, metric: Metric) -> float:
    """A score of a classifier from its answers."""
    answers = scores.answers[model][repeat]
    found = class_scores(answers.label, answers.prediction).get(metric.name) if answers.label.size else None
    if found is None:
        raise EcrnnError(
            f"{metric.title} does not follow from the rows of examples; accuracy does, and with label and prediction "
            "macro-f1 and balanced-accuracy"
        )
    return found


def _class_scores(
    scores: Scores, n_train: int, n_test: int, fixed: str, numbers: Mapping[int, int] | None
) -> Iterator[ScoreRow]:
    """All scores that follow from labels and predictions; on one test set without intervals, as of a study."""
    for model, of_model in scores.answers.items() if scores.classes else ():
        by_repeat = {repeat: class_scores(answers.label, answers.prediction) for repeat, answers in of_model.items()}
        for name, metric in CLASS_SCORES.items():
            known = {repeat: value for repeat, one in by_repeat.items() if (value := one[name]) is not None}
            values = tuple(means(known, numbers).values())
            if values:
                summary = summarise(values, n_train, n_test, bounds=(metric.least, metric.most))
                summary = replace(summary, low=None, high=None) if fixed else summary
                yield ScoreRow(model, name, values, summary)


def _row(scores: ModelScores) -> ModelRow:
    assert scores.summary is not None  # every model of a table has a score
    return ModelRow(scores.model, scores.repeats, scores.scores, scores.summary, *[None] * 7)


def _trials(scores: Scores, metric: Metric) -> tuple[TrialRow, ...]:
    return tuple(
        TrialRow(
            model=model,
            repeat=repeat,
            score=of_model[repeat],
            best_score=None,
            best_epoch=None,
            seconds=None,
            device="",
            precision="",
            threads=None,
            finished="",
            split=scores.splits.get((model, repeat), ""),
        )
        for model, of_model in _values(scores, metric).items()
        for repeat in sorted(of_model)
    )


def _confusion(scores: Scores, model: str) -> Any:
    answers = list(scores.answers[model].values())
    label, prediction = (np.concatenate([getattr(a, of) for a in answers]) for of in ("label", "prediction"))
    return confusion(model, label, prediction, scores.classes)


def _facts(
    scores: Scores, comparison: Comparison, origin: Origin, fixed: str, seeds: int
) -> tuple[tuple[str, str], ...]:
    return (
        ("Scores", ", ".join(origin.files)),
        *([("Data set", scores.dataset)] if scores.dataset else []),
        *([("Classes", formats.count(len(scores.classes)))] if scores.classes else []),
        ("Models", formats.count(len(comparison.models))),
        repeats_fact(len(comparison.repeats), seeds),
        ("Examples a repeat", f"{comparison.n_train:,} train, {comparison.n_test:,} test"),
        ("Split", "one test set for all repeats" if fixed else "another in each repeat"),
    )


def _notes(scores: Scores, comparison: Comparison, origin: Origin, fixed: str) -> list[str]:
    notes = []
    if fixed and comparison.fixed_test:
        notes.append(f"Judged as one test set: {fixed}.")
    column = str(origin.settings.get("columns", {}).get("repeat", ""))
    if not fixed and not scores.splits and not scores.answers and _SEED.search(column):
        notes.append(
            f"Repeats are numbered by '{column}'. The verdicts hold where each has a split of its own; seeds on one "
            "split are judged with --fixed-test."
        )
    if origin.settings.get("percent"):
        tops = {model: max(of.values()) for model, of in scores.values.items()}
        low = [model for model, top in tops.items() if top <= 0.01]
        if 0 < len(low) < len(tops):
            notes.append(
                f"No score of {formats.listed(low)} is above 1, as if they were shares, and those of other models are: "
                "--percent reads all of them in percent."
            )
    if comparison.rope == 0:
        notes.append("No difference is named that does not matter (--rope), so nothing is called equivalent.")
    stopped = Counter(model for model, _, state in scores.unfinished if state.lower() not in _FAILED)
    for model, count in stopped.items():
        total = count + len((scores.values or scores.answers).get(model, {}))
        notes.append(f"{model} has no score in {count} of {counted(total, 'runs')}; its figures are of the others.")
    return notes


def _fairness(scores: Scores, comparison: Comparison, origin: Origin, fixed: str) -> tuple[FairnessLine, ...]:
    """What a table shows of it; "same" is said only of what was checked."""
    sizes = f"{comparison.n_train:,} training and {comparison.n_test:,} test examples"
    what = "one test set in every repeat" if fixed else "another split in every repeat, as the table was taken to mean"
    if scores.answers:
        text = f"{sizes}, {what}; checked example by example: within a repeat all models have the same ones."
        data = FairnessLine("Data and splits", "same", text)
    else:
        text = f"{sizes}, {what}. That models of a repeat have the same examples is taken on trust."
        data = FairnessLine("Data and splits", "note", text)
    every = {model.repeats for model in comparison.models}
    repeats = (
        FairnessLine("Repeats", "same", "All models have the same repeats.")
        if len(every) == 1
        else FairnessLine("Repeats", "differs", "Models have different repeats; each pair uses those that both have.")
    )
    return (
        data,
        repeats,
        _shared("Seeds", "seed", scores.seeds),
        *([_shared("Splits", "split", scores.splits)] if scores.splits else []),
        FairnessLine("Training and choices", "note", _UNKNOWN),
        FairnessLine("Columns", "note", f"{origin.sentence}."),
    )


_UNKNOWN = (
    "Not in the table: recipes, costs, machines, on what the scored epoch and the settings were chosen, and whether "
    "score, pairs and the region of equivalence were named before the scores were seen. A score that was picked as the "
    "best on the examples it is of is optimistic."
)


def _shared(title: str, what: str, known: Mapping[tuple[str, int], str]) -> FairnessLine:
    """Whether the models of a repeat share a seed or a split."""
    if not known:
        return FairnessLine(title, "note", f"The table has no {what}.")
    by_repeat: dict[int, set[str]] = {}
    for (_, repeat), value in known.items():
        by_repeat.setdefault(repeat, set()).add(value)
    if all(len(values) == 1 for values in by_repeat.values()):
        return FairnessLine(title, "same", f"Within a repeat all models have the same {what}.")
    return FairnessLine(title, "differs", f"Within a repeat, models have different {what}s.")
