"""The tables of a report across data sets."""

from __future__ import annotations

from ecrnn.core.across_plan import MODERATORS
from ecrnn.report import formats
from ecrnn.report.analysis.analyse_across import AcrossAnalysis, ScoredDataSet
from ecrnn.report.formats import MINUS, NOTHING
from ecrnn.report.table import A_AND_B, Cell, Column, Table, pair_table, text
from ecrnn.stats import AcrossPair, Posterior

_DATA_SET = Column("Data set", ("dataset",), "left")


def across_tables(analysis: AcrossAnalysis, *, every: bool = False) -> list[Table]:
    """All tables with something in them; ``every`` with the long ones, in CSV files and folded in the page."""
    tables = [
        pairs_table(analysis),
        scores_table(analysis),
        evidence_table(analysis),
        bayes_table(analysis),
        moderators_table(analysis),
        ranks_table(analysis),
        data_sets_table(analysis),
    ]
    if every:
        tables += [on_data_sets_table(analysis), results_table(analysis)]
    return [table for table in tables if table.rows]


def pairs_table(analysis: AcrossAnalysis) -> Table:
    """One row a pair: mean difference, interval, p, verdict, and what a new data set would show."""
    across, metric = analysis.across, analysis.metric
    level = formats.level(1 - across.alpha)
    lower = "" if metric.higher_is_better else " Lower is better, so a difference below 0 is in favour of A."
    judged = not analysis.exploratory
    adjusted = ", p adjusted by Holm over all pairs of this table" if judged else ", p not adjusted"
    verdict = "The verdict is said of A and of the mean." if judged else "The pairs are exploratory and get no verdict."
    after = ("chosen_after_the_results",) if analysis.chosen_after else ()
    return pair_table(
        _names(analysis),
        key="pairs",
        title="Comparisons over data sets",
        caption=f"Mean of the differences A {MINUS} B over the data sets, in {metric.points}, each data set weighing "
        f"alike: random effects, Hartung-Knapp t{adjusted}.{lower} {verdict} "
        "The last column holds what a study like these would show on one new data set.",
        columns=(
            Column("Data sets", ("data_sets",)),
            Column(f"A {MINUS} B ({metric.points})", ("mean",)),
            Column(f"{level} interval", ("low", "high")),
            Column("p (Holm)", ("p_holm",)) if judged else Column("p", ("p",)),
            *([Column("Verdict on A", ("verdict", *after), "left")] if judged else []),
            Column(f"New data set, {level}", ("new_low", "new_high")),
        ),
        rows=[
            (
                Cell(str(len(pair.data_sets)), (len(pair.data_sets),)),
                *(
                    (
                        Cell(formats.difference(effects.mean, metric), (effects.mean,), "strong"),
                        _interval(effects.low, effects.high, analysis),
                        _p(pair.p_holm if judged else effects.p),
                        *([_verdict(pair, analysis)] if judged else []),
                        _interval(effects.new_low, effects.new_high, analysis),
                    )
                    if (effects := pair.effects)
                    else (
                        Cell(NOTHING, (None,)),
                        Cell(NOTHING, (None, None)),
                        Cell(NOTHING, (None,)),
                        *([_verdict(pair, analysis)] if judged else []),
                        Cell(NOTHING, (None, None)),
                    )
                ),
            )
            for pair in across.pairs
        ],
    )


def _verdict(pair: AcrossPair, analysis: AcrossAnalysis) -> Cell:
    """The word, and with it that the pair, the baseline or the region was chosen after the results."""
    word, after = pair.verdict, analysis.chosen_after
    none = "interim, no verdict" if analysis.unfinished else "no verdict"
    shown = f"{word} (chosen after the results)" if word and after else word or none
    return Cell(shown, (word, *(("yes",) if after else ())), word or "none")


def _p(p: float | None) -> Cell:
    return Cell(formats.p_value(p), (p,))


def scores_table(analysis: AcrossAnalysis) -> Table:
    """One row a data set, one column a model."""
    metric, models = analysis.metric, analysis.across.models
    heading = formats.heading("", metric.unit).strip()
    return Table(
        "scores",
        "Each data set",
        f"{formats.capital(metric.title)}{f' {heading}' if heading else ''}: mean and SD over the repeats.",
        (_DATA_SET, *(Column(model, (model, f"{model}_sd")) for model in models)),
        tuple((text(one.name), *(_score(one, model, analysis) for model in models)) for one in analysis.data_sets),
    )


def evidence_table(analysis: AcrossAnalysis) -> Table:
    """What stands beside the primary test."""
    metric, level = analysis.metric, formats.level(1 - analysis.across.alpha)
    judged, fewest = not analysis.exploratory, analysis.across.fewest
    before = ", before Holm's adjustment" if judged else ""
    adjusted = (
        f", adjusted by Holm. Wilcoxon's signed-rank test is exact and adjusted by Holm; with so many pairs it can "
        f"decide nothing below {fewest} data sets."
        if judged
        else ". Wilcoxon's signed-rank test is exact. No p is adjusted."
    )
    return pair_table(
        _names(analysis),
        key="evidence",
        title="Evidence behind the verdicts" if judged else "Evidence",
        caption="'Between' is the SD of the true differences between data sets; t, df and p are the Hartung-Knapp "
        f"test's{before}. 'p equivalent' is of two one-sided tests that the mean lies within "
        f"{formats.rope(analysis.across.rope, metric)}{adjusted} 'A beats B' is the "
        "probability in a repeat, averaged over the data sets, with Clopper and Pearson's interval over data sets.",
        columns=(
            Column(f"Between ({metric.points})", ("between_sd",)),
            Column("t", ("t",)),
            Column("df", ("degrees_of_freedom",)),
            Column("p", ("p",)),
            Column("p equivalent", ("p_equivalent_holm" if judged else "p_equivalent",)),
            Column("Wilcoxon p (Holm)", ("wilcoxon_holm",)) if judged else Column("Wilcoxon p", ("wilcoxon_p",)),
            Column("A beats B", ("probability_a_beats_b",)),
            Column(f"{level} interval", ("probability_low", "probability_high")),
        ),
        rows=[_evidence(pair, analysis) for pair in analysis.across.pairs],
    )


def _evidence(pair: AcrossPair, analysis: AcrossAnalysis) -> tuple[Cell, ...]:
    effects, chance = pair.effects, pair.improvement
    if effects is None or chance is None:
        return ()
    ranked = pair.wilcoxon.p if pair.wilcoxon else None
    ends = f"{formats.probability(chance.low)} to {formats.probability(chance.high)}"
    return (
        Cell(formats.value(effects.between_sd, analysis.metric), (effects.between_sd,)),
        Cell(formats.number(effects.statistic), (effects.statistic,)),
        Cell(str(effects.degrees_of_freedom), (effects.degrees_of_freedom,)),
        _p(effects.p),
        _p(pair.p_equivalent if analysis.exploratory else pair.p_equivalent_holm),
        _p(ranked if analysis.exploratory else pair.wilcoxon_holm),
        Cell(formats.probability(chance.estimate), (chance.estimate,)),
        Cell(ends, (chance.low, chance.high)),
    )


def bayes_table(analysis: AcrossAnalysis) -> Table:
    """The two Bayesian models."""
    metric = analysis.metric
    rope = formats.rope(analysis.across.rope, metric)
    return pair_table(
        _names(analysis),
        key="bayes",
        title="Bayesian models",
        caption=f"Probabilities that A is worse than B by more than {rope}, within {rope} of it, and better by more "
        f"than {rope}: on a new data set, by the hierarchical model of Corani et al. (2017); and for most data sets, "
        "by the signed-rank test of Benavoli et al. (2014). No prior is put on the number of pairs.",
        columns=(
            Column("New: worse", ("new_worse",)),
            Column("New: equivalent", ("new_equivalent",)),
            Column("New: better", ("new_better",)),
            Column("Most: worse", ("most_worse",)),
            Column("Most: equivalent", ("most_equivalent",)),
            Column("Most: better", ("most_better",)),
        ),
        rows=[
            (*_three(pair.hierarchical.new if pair.hierarchical else None), *_three(pair.signed_rank))
            if pair.signed_rank
            else ()
            for pair in analysis.across.pairs
        ],
    )


def _three(posterior: Posterior | None) -> list[Cell]:
    shares = (posterior.worse, posterior.equivalent, posterior.better) if posterior else (None, None, None)
    return [Cell(formats.probability(share), (share,)) for share in shares]


def moderators_table(analysis: AcrossAnalysis) -> Table:
    """One row a pair and moderator: the slope of the difference."""
    metric, level = analysis.metric, formats.level(1 - analysis.across.alpha)
    when = "before the first training" if analysis.named_before else "after the results, so their slopes are ideas"
    return Table(
        "moderators",
        "Moderators",
        f"How much the difference A {MINUS} B, in {metric.points}, changes for each step of one: least squares over "
        f"the data sets, Knapp-Hartung t. The moderators were named {when}; p is not adjusted.",
        (
            *A_AND_B,
            Column("Moderator", ("moderator",), "left"),
            Column("Data sets", ("data_sets",)),
            Column(f"Slope ({metric.points})", ("slope",)),
            Column(f"{level} interval", ("low", "high")),
            Column("p", ("p",)),
        ),
        tuple(
            (
                text(pair.model_a),
                text(pair.model_b),
                text(MODERATORS.get(slope.moderator, slope.moderator)),
                Cell(str(slope.n), (slope.n,)),
                Cell(formats.difference(slope.slope, metric), (slope.slope,), "strong"),
                _interval(slope.low, slope.high, analysis),
                Cell(formats.p_value(slope.p), (slope.p,)),
            )
            for pair in analysis.across.pairs
            for slope in pair.slopes
        ),
        row_headings=2,
    )


def ranks_table(analysis: AcrossAnalysis) -> Table:
    """The mean rank of each model, where there are data sets enough."""
    ranks = analysis.across.ranks
    rows = zip(ranks.models, ranks.ranks, strict=True) if ranks else ()
    return Table(
        "ranks",
        "Mean ranks",
        "1 is the best on every data set. Ranks depend on who else is compared; verdicts do not.",
        (Column("Model", ("model",), "left"), Column("Mean rank", ("mean_rank",))),
        tuple((text(model), Cell(formats.number(rank), (rank,))) for model, rank in rows),
    )


def data_sets_table(analysis: AcrossAnalysis) -> Table:
    """What the data sets are."""
    known = {
        name: any(getattr(one, name) is not None for one in analysis.data_sets)
        for name in ("classes", "image_size", "epochs")
    }
    return Table(
        "data-sets",
        "Data sets",
        f"{formats.capital(analysis.examples)} that train and are scored in a repeat, and how each study was made.",
        (
            _DATA_SET,
            Column("Train", ("n_train",)),
            Column("Scored", ("n_test",)),
            *([Column("Classes", ("classes",))] if known["classes"] else []),
            *([Column("Pixels a side", ("image_size",))] if known["image_size"] else []),
            Column("Split", ("split",), "left"),
            Column("Repeats", ("repeats",)),
            *([Column("Epochs", ("epochs",))] if known["epochs"] else []),
            Column("Trials missing", ("missing",)),
        ),
        tuple(
            (
                text(one.name),
                Cell(formats.count(one.comparison.n_train), (one.comparison.n_train,)),
                Cell(formats.count(one.comparison.n_test), (one.comparison.n_test,)),
                *([Cell(formats.count(one.classes), (one.classes,))] if known["classes"] else []),
                *([Cell(formats.count(one.image_size), (one.image_size,))] if known["image_size"] else []),
                text(one.split or NOTHING),
                Cell(str(len(one.comparison.repeats)), (len(one.comparison.repeats),)),
                *([Cell(formats.count(one.epochs), (one.epochs,))] if known["epochs"] else []),
                Cell(f"{one.missing} of {one.planned}" if one.planned else NOTHING, (one.missing,)),
            )
            for one in analysis.data_sets
        ),
    )


def on_data_sets_table(analysis: AcrossAnalysis) -> Table:
    """One row a pair and data set."""
    metric, level = analysis.metric, formats.level(1 - analysis.across.alpha)
    return Table(
        "on-data-sets",
        "Each pair on each data set",
        f"Difference A {MINUS} B in {metric.points} over the repeats of one data set, with its own interval, which is "
        "not adjusted.",
        (
            *A_AND_B,
            _DATA_SET,
            Column("Repeats", ("repeats",)),
            Column(f"A {MINUS} B ({metric.points})", ("difference",)),
            Column(f"{level} interval", ("low", "high")),
        ),
        tuple(
            (
                text(pair.model_a),
                text(pair.model_b),
                text(one.data_set),
                Cell(str(one.repeats), (one.repeats,)),
                Cell(formats.difference(one.difference, metric), (one.difference,)),
                _interval(one.low, one.high, analysis),
            )
            for pair in analysis.across.pairs
            for one in pair.data_sets
        ),
        row_headings=3,
    )


def results_table(analysis: AcrossAnalysis) -> Table:
    """One row a training, as `ecrnn judge` and others read it."""
    return Table(
        "results",
        "Every score",
        "One row a training.",
        (
            *(Column(name, (name,), "left") for name in ("dataset", "model")),
            *(Column(name, (name,)) for name in ("repeat", "score", "n_train", "n_test")),
        ),
        tuple(
            (
                text(one.name),
                text(model.model),
                Cell(str(repeat), (repeat,)),
                Cell(formats.value(score, analysis.metric), (score,)),
                Cell(formats.count(one.comparison.n_train), (one.comparison.n_train,)),
                Cell(formats.count(one.comparison.n_test), (one.comparison.n_test,)),
            )
            for one in analysis.data_sets
            for model in one.comparison.models
            for repeat, score in zip(model.repeats, model.scores, strict=True)
        ),
        row_headings=3,
    )


def _names(analysis: AcrossAnalysis) -> list[tuple[str, str]]:
    return [(pair.model_a, pair.model_b) for pair in analysis.across.pairs]


def _interval(low: float | None, high: float | None, analysis: AcrossAnalysis) -> Cell:
    return Cell(formats.interval(low, high, analysis.metric, signed=True), (low, high))


def _score(data_set: ScoredDataSet, model: str, analysis: AcrossAnalysis) -> Cell:
    found = next((one for one in data_set.comparison.models if one.model == model), None)
    summary = found.summary if found else None
    if summary is None:
        return Cell(NOTHING, (None, None))
    metric = analysis.metric
    spread = "" if summary.sd is None else f" \N{PLUS-MINUS SIGN} {formats.value(summary.sd, metric)}"
    best = max if metric.higher_is_better else min
    means = [one.summary.mean for one in data_set.comparison.models if one.summary]
    mark = "strong" if summary.mean == best(means) else ""
    return Cell(formats.value(summary.mean, metric) + spread, (summary.mean, summary.sd), mark)
