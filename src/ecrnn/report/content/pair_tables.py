"""The tables of pairs of models: verdicts, evidence, power, a fixed test set, and the paper's own test."""

from __future__ import annotations

from dataclasses import replace

from ecrnn.report import formats
from ecrnn.report.analysis.schema import Analysis
from ecrnn.report.formats import MINUS, NOTHING
from ecrnn.report.table import Cell, Column, Table, pair_table, text
from ecrnn.stats import Metric, Pair, PairedT

_NO_NUMBER = "no number"


def _names(analysis: Analysis) -> list[tuple[str, str]]:
    return [(pair.model_a, pair.model_b) for pair in analysis.comparison.pairs]


def pairs_table(analysis: Analysis) -> Table:
    """One row a pair: difference, interval, p, verdict."""
    comparison, metric = analysis.comparison, analysis.metric
    level = formats.level(1 - comparison.alpha)
    return pair_table(
        _names(analysis),
        key="pairs",
        title="Comparisons",
        caption=f"Difference A {MINUS} B in {metric.points}, on {_which(analysis)}p adjusted by Holm over all pairs of "
        f"this table. {_lower(metric)}The verdict is said of A.",
        columns=(
            Column("Repeats", ("repeats",)),
            Column(f"A {MINUS} B ({metric.points})", ("difference",)),
            Column(f"{level} interval", ("low", "high")),
            Column("p (Holm)", ("p_holm",)),
            _verdict_column(analysis.chosen_after),
        ),
        rows=[
            (
                Cell(str(len(pair.repeats)), (len(pair.repeats),)),
                Cell(formats.difference(pair.difference, metric), (pair.difference,), "strong"),
                Cell(
                    formats.interval(pair.test.low, pair.test.high, metric, signed=True) if pair.test else NOTHING,
                    (pair.test.low, pair.test.high) if pair.test else (None, None),
                ),
                Cell(formats.p_value(pair.p_holm), (pair.p_holm,)),
                _verdict(pair, analysis, after=analysis.chosen_after),
            )
            for pair in comparison.pairs
        ],
    )


def _verdict_column(after: bool) -> Column:
    return Column("Verdict on A", ("verdict", *(("chosen_after_the_results",) if after else ())), "left")


def _verdict(pair: Pair, analysis: Analysis, *, after: bool) -> Cell:
    """The word; ``after``: what it rests on was chosen after the results."""
    none = "interim, no verdict" if analysis.interim else "no verdict"
    kind = pair.verdict or "none"
    if after and pair.verdict:
        return Cell(f"{pair.verdict} (chosen after the results)", (pair.verdict, "yes"), kind)
    return Cell(pair.verdict or none, (pair.verdict, *(("yes",) if after else ())), kind)


def _which(analysis: Analysis) -> str:
    """Which repeats are compared, and by which test."""
    if analysis.sequential:
        return "the repeats of the look at which each pair was closed: sequential p and repeated interval, "
    return f"the repeats that both have finished: {analysis.test_name} test, "


def contrasts_table(analysis: Analysis) -> Table:
    """One row a question about groups of models."""
    comparison, metric = analysis.comparison, analysis.metric
    level = formats.level(1 - comparison.alpha)
    rows = []
    for contrast in comparison.contrasts:
        pair, test = contrast.pair, contrast.pair.test
        low, high = (test.low, test.high) if test else (None, None)
        rows.append(
            (
                text(contrast.name),
                text(formats.listed(contrast.plus, most=2)),
                text(formats.listed(contrast.minus, most=2)),
                Cell(str(len(pair.repeats)), (len(pair.repeats),)),
                Cell(formats.difference(pair.difference, metric), (pair.difference,), "strong"),
                Cell(formats.interval(low, high, metric, signed=True), (low, high)),
                Cell(formats.p_value(test.p if test else None), (test.p if test else None,)),
                Cell(formats.p_value(pair.p_holm), (pair.p_holm,)),
                _verdict(pair, analysis, after=analysis.contrasts_chosen_after),
            )
        )
    return Table(
        "contrasts",
        "Groups of models",
        f"The mean over the models of A minus the mean over those of B in each repeat, in {metric.points}: "
        f"{analysis.test_name} test, p adjusted by Holm over the questions of this table. {_lower(metric)}"
        "The verdict is said of A.",
        (
            Column("Question", ("contrast",), "left"),
            Column("A", ("plus",), "left"),
            Column("B", ("minus",), "left"),
            Column("Repeats", ("repeats",)),
            Column(f"A {MINUS} B ({metric.points})", ("difference",)),
            Column(f"{level} interval", ("low", "high")),
            Column("p", ("p",)),
            Column("p (Holm)", ("p_holm",)),
            _verdict_column(analysis.contrasts_chosen_after),
        ),
        tuple(rows),
    )


def _lower(metric: Metric) -> str:
    """What must be said of differences where lower is better."""
    return "" if metric.higher_is_better else "Lower is better, so a difference below 0 is in favour of A. "


def evidence_table(analysis: Analysis) -> Table:
    """One row a pair: what the verdict rests on."""
    metric, level = analysis.metric, formats.level(1 - analysis.comparison.alpha)
    rope = formats.rope(analysis.comparison.rope, metric)
    better = "higher" if metric.higher_is_better else "lower"
    return pair_table(
        _names(analysis),
        key="evidence",
        title="Evidence behind the verdicts",
        caption=f"SD is of the differences between repeats; t and p are the {analysis.test_name} test's, before Holm's "
        f"adjustment. 'A beats B' is the share of repeats in which A scores {better}, ties counted half, with a "
        "Clopper-Pearson interval that takes the repeats as independent. "
        "'p (equivalent)' is that of two one-sided tests, adjusted by Holm over all pairs. The last three columns are "
        f"the Bayesian correlated t test's probabilities that A is worse by more than {rope}, within {rope} of B, and "
        f"better by more than {rope}; no verdict stands on them.",
        columns=(
            Column(f"SD ({metric.points})", ("sd_difference",)),
            Column("t", ("t",)),
            Column("df", ("degrees_of_freedom",)),
            Column("p", ("p",)),
            Column("A beats B", ("probability_a_beats_b",)),
            Column(f"{level} interval", ("probability_low", "probability_high")),
            Column("p (equivalent)", ("p_equivalent_holm",)),
            Column("A worse", ("posterior_worse",)),
            Column("Equivalent", ("posterior_equivalent",)),
            Column("A better", ("posterior_better",)),
        ),
        rows=[_evidence(pair, metric) for pair in analysis.comparison.pairs],
    )


def _evidence(pair: Pair, metric: Metric) -> tuple[Cell, ...]:
    test, chance, posterior = pair.test, pair.probability, pair.posterior
    if test is None or chance is None or posterior is None:
        return ()
    ends = f"{formats.probability(chance.low)} to {formats.probability(chance.high)}"
    return (
        Cell(formats.value(test.sd, metric), (test.sd,)),
        Cell(formats.number(test.statistic), (test.statistic,)),
        _degrees(test),
        Cell(formats.p_value(test.p), (test.p,)),
        Cell(formats.probability(chance.estimate), (chance.estimate,)),
        Cell(ends, (chance.low, chance.high)),
        Cell(formats.p_value(pair.p_equivalent_holm), (pair.p_equivalent_holm,)),
        Cell(formats.probability(posterior.worse), (posterior.worse,)),
        Cell(formats.probability(posterior.equivalent), (posterior.equivalent,)),
        Cell(formats.probability(posterior.better), (posterior.better,)),
    )


def _degrees(test: PairedT) -> Cell:
    decimals = 1 if test.method == "crossed t" else 0
    return Cell(formats.number(test.degrees_of_freedom, decimals), (test.degrees_of_freedom,))


def crossed_table(analysis: Analysis) -> Table:
    """One row a pair on random splits: the crossed t beside the verdict's."""
    comparison, metric = analysis.comparison, analysis.metric
    level = formats.level(1 - comparison.alpha)
    assumed = comparison.n_test / (comparison.n_train + comparison.n_test)
    return pair_table(
        _names(analysis),
        key="crossed",
        title=f"Training noise and shared {analysis.examples}, as measured",
        caption="A second look, which no verdict stands on: the crossed t, with the variance between repeats and the "
        f"correlation of two repeats through the {analysis.examples} that both score, as these differences show them. "
        f"The corrected test takes that correlation to be {assumed:.3f}. What shared training {analysis.examples} add "
        "cannot be seen in one data set and is left out here, so these intervals may be too narrow. p adjusted by Holm "
        "over all pairs.",
        columns=(
            Column(f"A {MINUS} B ({metric.points})", ("difference",)),
            Column(f"{level} interval", ("low", "high")),
            Column("Correlation", ("correlation",)),
            Column("df", ("degrees_of_freedom",)),
            Column("p", ("p",)),
            Column("p (Holm)", ("p_holm",)),
        ),
        rows=[_crossed(pair, metric) for pair in comparison.pairs],
    )


def _crossed(pair: Pair, metric: Metric) -> tuple[Cell, ...]:
    test = pair.crossed
    if test is None:
        return ()
    shared = max(0.0, test.standard_error**2 - test.sd**2 / test.n)
    correlation = shared / (shared + test.sd**2) if test.sd else None
    return (
        Cell(formats.difference(test.difference, metric), (test.difference,), "strong"),
        Cell(formats.interval(test.low, test.high, metric, signed=True), (test.low, test.high)),
        Cell(formats.probability(correlation), (correlation,)),
        _degrees(test),
        Cell(formats.p_value(test.p), (test.p,)),
        Cell(formats.p_value(pair.crossed_p_holm), (pair.crossed_p_holm,)),
    )


def fixed_test_table(analysis: Analysis) -> Table:
    """One trained model each on a fixed test set: a bootstrap over the examples, and McNemar for right and wrong."""
    level, metric = formats.level(1 - analysis.comparison.alpha), analysis.metric
    how = f"bootstrap interval over the {analysis.examples}"
    if metric.binary:
        how += " and McNemar's exact test. They tell these trained models apart and say"
    else:
        how += f". {_lower(metric)}It tells these trained models apart and says"
    exact = (
        Column("Only A right", ("only_a_right",)),
        Column("Only B right", ("only_b_right",)),
        Column("p (McNemar)", ("p_mcnemar",)),
    )
    return pair_table(
        _names(analysis),
        key="test-set",
        title="On the fixed test set",
        caption=f"One trained model each on the same test {analysis.examples}: {how} nothing about training again."
        + (" McNemar's test is of the last epoch alone." if analysis.subject.epochs > 1 and metric.binary else ""),
        columns=(
            Column(f"A {MINUS} B ({metric.points})", ("difference",)),
            Column(f"{level} interval", ("low", "high")),
            *(exact if metric.binary else ()),
        ),
        rows=[_on_fixed_test(pair, metric) for pair in analysis.comparison.pairs],
    )


def _on_fixed_test(pair: Pair, metric: Metric) -> tuple[Cell, ...]:
    exact, interval = pair.mcnemar, pair.image_interval
    if interval is None:
        return ()
    cells = (
        Cell(formats.difference(interval.estimate, metric), (interval.estimate,), "strong"),
        Cell(formats.interval(interval.low, interval.high, metric, signed=True), (interval.low, interval.high)),
    )
    if exact is None:
        return cells
    return (
        *cells,
        Cell(formats.count(exact.only_a), (exact.only_a,)),
        Cell(formats.count(exact.only_b), (exact.only_b,)),
        Cell(formats.p_value(exact.p), (exact.p,)),
    )


def power_table(analysis: Analysis) -> Table:
    """What the study could have shown, and how many repeats a difference needs that somebody names."""
    comparison, metric = analysis.comparison, analysis.metric
    named = comparison.named_difference
    caption = "The smallest true difference that as many repeats find with probability 0.8."
    columns = [
        Column("Repeats", ("repeats",)),
        Column(f"Smallest detectable ({metric.points})", ("smallest_detectable",)),
    ]
    if named is not None:
        size = formats.rope(named, metric)
        columns.append(Column(f"Repeats for {size}", ("repeats_needed",)))
        caption += (
            f" The last column has the repeats that would find a true difference of {size}, which was named for it, "
            f"with the same probability; '{_NO_NUMBER}' where this test finds it with no number of them, because the "
            f"variance that repeats share does not fall with their number."
        )
    return pair_table(
        _names(analysis),
        key="power",
        title="What this study could show",
        caption=caption,
        columns=columns,
        rows=[_power(pair, analysis) for pair in comparison.pairs],
    )


def _power(pair: Pair, analysis: Analysis) -> tuple[Cell, ...]:
    if pair.test is None or analysis.sequential:  # which had no fixed number of repeats
        return ()
    cells = (
        Cell(str(len(pair.repeats)), (len(pair.repeats),)),
        Cell(formats.value(pair.smallest_detectable, analysis.metric), (pair.smallest_detectable,)),
    )
    if analysis.comparison.named_difference is None:
        return cells
    needed = pair.repeats_needed
    return (*cells, Cell(_NO_NUMBER if needed is None else formats.count(needed), (needed,)))


def paper_table(analysis: Analysis) -> Table:
    """The paper's image-level test with its stars and the warning that goes with it."""
    rows: list[tuple[Cell, ...]] = []
    for pair in analysis.comparison.pairs:
        test = pair.image_test
        rows.append(
            (
                Cell(formats.points(test.difference) + test.stars, (test.difference, test.stars)),
                Cell(formats.number(test.z), (test.z,)),
                Cell(formats.p_value(test.p), (test.p,)),
                Cell(formats.count(test.n), (test.n,)),
            )
            if test
            else ()
        )
    table = pair_table(
        _names(analysis),
        key="paper",
        title="As in the paper",
        caption="The paper's image-level test: * p < .05, ** p < .005, *** p < .0001. Too optimistic, see the warning."
        + analysis.last_epoch_alone,
        columns=(
            Column(f"A {MINUS} B (points)", ("difference", "stars")),
            Column("z", ("z",)),
            Column("p", ("p",)),
            Column(f"{formats.capital(analysis.examples)}, all repeats", (analysis.examples,)),
        ),
        rows=rows,
    )
    return replace(table, note=analysis.paper_warning)
