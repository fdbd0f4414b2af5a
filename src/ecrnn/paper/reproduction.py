"""The paper's tables beside those of a study that has all of its models: numbers and sentences, no drawing.

The paper's 36 comparisons are one family: `named_pairs` gives them to `ecrnn.stats.compare`, each pair once, and Holm's
adjustment is over these (docs/decisions/paper-family.md).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from ecrnn.paper import printed
from ecrnn.report import formats
from ecrnn.report.analysis.read import StudyRecord
from ecrnn.report.analysis.schema import ModelRow
from ecrnn.stats import Comparison, Pair, Verdict


@dataclass(frozen=True)
class ReproducedModel:
    """One of the paper's models: its printed accuracy and ours at the last epoch, None while no trial is finished.

    ``gap`` is ours minus the paper's; ``best_accuracy`` is the best epoch's, which is optimistic.
    """

    model: str
    paper: float
    repeats: int = 0
    ours: float | None = None
    sd: float | None = None
    gap: float | None = None
    best_accuracy: float | None = None


@dataclass(frozen=True)
class Reproduced:
    """One comparison of the paper's Tables 2-5 and ours, which is None while a model that takes part is missing.

    A side is a family and cell, such as "CRNN LSTM"; ``nodes`` "best" takes the best model of each.
    ``stars`` are by the paper's own test, on both sides. ``gap`` is our difference minus the paper's.
    ``same_finding``: both mark a difference and in the same direction, or neither does. ``verdict`` and ``p_holm``
    are of the corrected resampled t test; None from fewer repeats than a verdict needs.
    """

    table: int
    side_a: str
    side_b: str
    nodes: str
    paper_a: str
    paper_b: str
    paper_difference: float
    paper_stars: str
    model_a: str | None = None
    model_b: str | None = None
    repeats: int = 0
    difference: float | None = None
    stars: str | None = None
    gap: float | None = None
    same_sign: bool | None = None
    same_finding: bool | None = None
    p_holm: float | None = None
    verdict: Verdict | None = None


@dataclass(frozen=True)
class Tally:
    """Counts over one of the paper's tables, or with None over all.

    ``marked`` are those that the paper marks as significant, ``marked_here`` ours by the same test. ``confirmed`` and
    ``contradicted`` are of the paper's marked ones, by the corrected test's verdict.
    """

    table: int | None
    comparisons: int
    missing: int
    same_sign: int
    same_finding: int
    marked: int
    marked_here: int
    confirmed: int
    contradicted: int


@dataclass(frozen=True)
class Reproduction:
    """A study with all of the paper's models beside the paper.

    ``family`` is the number of pairs that Holm's adjustment is over, ``parameters`` those of Table 1's model here,
    ``departures`` what makes the study another experiment than the paper's.
    """

    models: tuple[ReproducedModel, ...]
    comparisons: tuple[Reproduced, ...]
    tallies: tuple[Tally, ...]
    family: int
    parameters: int | None
    departures: tuple[str, ...]
    headline: str


def is_reproduction(record: StudyRecord) -> bool:
    """Whether the study has all of the paper's models, finished or not."""
    return set(printed.ACCURACIES) <= set(record.settings.models)


def named_pairs(means: Mapping[str, float]) -> list[tuple[str, str]]:
    """The pairs of models that the paper's comparisons come to, each once, as (a, b).

    Args:
        means: mean accuracy of each model that has a finished trial; the best are picked by it.
    """
    found = (_models(cell, means) for cell in printed.COMPARISONS)
    return list(dict.fromkeys(pair for pair in found if pair is not None))


def reproduction(record: StudyRecord, comparison: Comparison, models: Sequence[ModelRow]) -> Reproduction:
    """The study beside the paper.

    Args:
        record: record of a study with all of the paper's models.
        comparison: comparison of (at least) the `named_pairs`.
        models: all that have a finished trial.
    """
    rows = {row.model: row for row in models}
    means = {row.model: row.summary.mean for row in models}
    pairs = {(pair.model_a, pair.model_b): pair for pair in comparison.pairs}
    comparisons = tuple(_reproduced(cell, _models(cell, means), pairs) for cell in printed.COMPARISONS)
    tallies = tuple(_tally(t, [cell for cell in comparisons if cell.table == t]) for t in printed.TABLES)
    total = _tally(None, comparisons)
    first = rows.get(printed.TABLE_1_MODEL)
    found = Reproduction(
        models=tuple(_model(name, accuracy, rows.get(name)) for name, accuracy in printed.ACCURACIES.items()),
        comparisons=comparisons,
        tallies=(*tallies, total),
        family=len(comparison.pairs),
        parameters=first.parameters if first else None,
        departures=_departures(record, comparison),
        headline="",
    )
    return replace(found, headline=_headline(total, found.departures))


def _models(cell: printed.Printed, means: Mapping[str, float]) -> tuple[str, str] | None:
    """The two models of a comparison, the best by ``means``; None while one that takes part has no finished trial."""
    sides = [printed.candidates(side, cell.nodes) for side in (cell.side_a, cell.side_b)]
    if any(name not in means for side in sides for name in side):
        return None
    a, b = (max(side, key=lambda name: means[name]) for side in sides)
    return a, b


def _model(name: str, accuracy: float, row: ModelRow | None) -> ReproducedModel:
    if row is None:
        return ReproducedModel(name, accuracy)
    return ReproducedModel(
        model=name,
        paper=accuracy,
        repeats=row.summary.n,
        ours=row.summary.mean,
        sd=row.summary.sd,
        gap=row.summary.mean - accuracy,
        best_accuracy=row.best_score,
    )


def _reproduced(
    cell: printed.Printed, models: tuple[str, str] | None, pairs: Mapping[tuple[str, str], Pair]
) -> Reproduced:
    accuracies = _models(cell, printed.ACCURACIES)
    assert accuracies is not None
    found = Reproduced(
        table=cell.table,
        side_a=printed.side_name(cell.side_a),
        side_b=printed.side_name(cell.side_b),
        nodes=cell.nodes,
        paper_a=accuracies[0],
        paper_b=accuracies[1],
        paper_difference=cell.difference,
        paper_stars=cell.stars,
    )
    pair = pairs.get(models) if models else None
    if models is None or pair is None or pair.difference is None or pair.image_test is None:
        return found
    same_sign = _sign(pair.difference) == _sign(cell.difference)
    stars = pair.image_test.stars
    return replace(
        found,
        model_a=models[0],
        model_b=models[1],
        repeats=len(pair.repeats),
        difference=pair.difference,
        stars=stars,
        gap=pair.difference - cell.difference,
        same_sign=same_sign,
        same_finding=bool(stars) == bool(cell.stars) and (same_sign or not stars),
        p_holm=pair.p_holm,
        verdict=pair.verdict,
    )


def _sign(difference: float) -> int:
    return (difference > 0) - (difference < 0)


def _tally(table: int | None, cells: Sequence[Reproduced]) -> Tally:
    present = [cell for cell in cells if cell.difference is not None]
    marked = [cell for cell in cells if cell.paper_stars]
    claims = [(cell.verdict, "better" if cell.paper_difference > 0 else "worse") for cell in marked]
    return Tally(
        table=table,
        comparisons=len(cells),
        missing=len(cells) - len(present),
        same_sign=sum(cell.same_sign is True for cell in present),
        same_finding=sum(cell.same_finding is True for cell in present),
        marked=len(marked),
        marked_here=sum(bool(cell.stars) for cell in present),
        confirmed=sum(found == claim for found, claim in claims),
        contradicted=sum(found in ("better", "worse") and found != claim for found, claim in claims),
    )


def _departures(record: StudyRecord, comparison: Comparison) -> tuple[str, ...]:
    """In what the study is not the paper's experiment, as far as the paper says what it did."""
    settings, found = record.settings, []
    if settings.data != printed.DATA:
        found.append(f"the data are '{settings.data}', not {printed.DATA}")
    if settings.split != printed.SPLIT:
        found.append(f"the split is {settings.split}, not {printed.SPLIT}")
    if (comparison.n_train, comparison.n_test) != (printed.N_TRAIN, printed.N_VALIDATION):
        found.append(
            f"{comparison.n_train:,} images train and {comparison.n_test:,} validate, "
            f"not {printed.N_TRAIN:,} and {printed.N_VALIDATION:,}"
        )
    repeats = len({t.repeat for t in record.trials} | {u.repeat for u in record.unfinished})
    if repeats != printed.REPEATS:
        found.append(
            f"{formats.plural(repeats, 'repeat')} {'is' if repeats == 1 else 'are'} planned, not {printed.REPEATS}"
        )
    return tuple(found)


def _headline(total: Tally, departures: Sequence[str]) -> str:
    present = total.comparisons - total.missing
    of = f"Of the paper's {total.comparisons} comparisons, "
    of += f"{present} can be made so far; of these, " if total.missing else ""
    line = (
        f"{of}{total.same_sign} have the paper's sign here and {total.same_finding} the paper's finding by the paper's "
        f"own test; of the {total.marked} that the paper marks as significant, the corrected test confirms "
        f"{total.confirmed} and contradicts {total.contradicted}."
    )
    return f"Not the paper's experiment, for {departures[0]}. {line}" if departures else line
