"""Statistics of comparisons: NumPy and SciPy only, fractions 0..1 everywhere, plain dataclasses as results.

Start at :func:`compare`. One model: intervals.py. Two models over repeats: paired.py, bayes.py, verdicts.py,
power.py. Two trained networks on one test set, and the paper's own test: images.py. How often each test errs:
simulate.py.
"""

from ecrnn.stats.bayes import Posterior, bayesian_correlated_t
from ecrnn.stats.comparison import Comparison, ModelScores, Pair, compare
from ecrnn.stats.images import (
    PAPER_TEST_WARNING,
    ImageTest,
    McNemar,
    accuracy_difference_interval,
    mcnemar,
    paper_test,
)
from ecrnn.stats.intervals import Interval, Summary, bootstrap_mean, summarise, wilson
from ecrnn.stats.paired import PairedT, corrected_resampled_t, holm, paired_t, probability_better
from ecrnn.stats.power import detection_power, repeats_needed, smallest_detectable
from ecrnn.stats.simulate import FalsePositives, equal_learners, false_positives
from ecrnn.stats.verdicts import (
    EQUIVALENT_AT,
    FEW_REPEATS,
    MIN_REPEATS,
    Verdict,
    repeats_warning,
    verdict,
)

__all__ = [
    "EQUIVALENT_AT",
    "FEW_REPEATS",
    "MIN_REPEATS",
    "PAPER_TEST_WARNING",
    "Comparison",
    "FalsePositives",
    "ImageTest",
    "Interval",
    "McNemar",
    "ModelScores",
    "Pair",
    "PairedT",
    "Posterior",
    "Summary",
    "Verdict",
    "accuracy_difference_interval",
    "bayesian_correlated_t",
    "bootstrap_mean",
    "compare",
    "corrected_resampled_t",
    "detection_power",
    "equal_learners",
    "false_positives",
    "holm",
    "mcnemar",
    "paired_t",
    "paper_test",
    "probability_better",
    "repeats_needed",
    "repeats_warning",
    "smallest_detectable",
    "summarise",
    "verdict",
    "wilson",
]
