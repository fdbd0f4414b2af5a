"""Statistics of comparisons: NumPy and SciPy only, fractions 0..1 everywhere, plain dataclasses as results.

Start at :func:`compare`, and over many data sets at :func:`compare_across`. What is compared: metrics.py,
class_scores.py. One model: intervals.py. Two models over repeats: paired.py, crossed.py, bayes.py, verdicts.py and
power.py. What comes back: results.py. Two models over data sets: random_effects.py, signed_rank.py, hierarchical.py,
ranks.py, improvement.py. Two trained networks on one test set: bootstrap.py for any metric, mcnemar.py for accuracy,
with the paper's own test. One trained network: class_averages.py, calibration.py, and with two classes
operating_points.py. Studies that stop when they are decided: boundaries.py, sequential.py,
sequential_comparison.py, and sequential_designs.py for what they cost. Searches for recipes:
expected_best.py. How often each test errs: simulate.py.
"""

from ecrnn.stats.across import Across, AcrossPair, OnDataSet, compare_across
from ecrnn.stats.bayes import Posterior, bayesian_correlated_t
from ecrnn.stats.bootstrap import bootstrap_difference, bootstrap_metric, metric_interval
from ecrnn.stats.boundaries import usual_looks
from ecrnn.stats.calibration import (
    Calibration,
    ConfidenceBin,
    calibration,
    cross_fitted,
    fit_temperature,
)
from ecrnn.stats.class_averages import ClassAverages, class_averages
from ecrnn.stats.class_scores import (
    AUC,
    BALANCED_ACCURACY,
    CLASS_SCORES,
    MACRO_F1,
    auc,
    balanced_accuracy,
    class_scores,
    macro_f1,
    metric_named,
)
from ecrnn.stats.comparison import compare, compare_scores
from ecrnn.stats.crossed import crossed_t, shared_covariance
from ecrnn.stats.expected_best import BestOfN, best_of_n, expected_best
from ecrnn.stats.hierarchical import Hierarchical, hierarchical
from ecrnn.stats.improvement import Profile, improvement, profile
from ecrnn.stats.intervals import Interval, Summary, bootstrap_mean, clopper_pearson, summarise, wilson
from ecrnn.stats.mcnemar import (
    PAPER_TEST_WARNING,
    ImageTest,
    McNemar,
    accuracy_difference_interval,
    mcnemar,
    paper_test,
)
from ecrnn.stats.metrics import (
    ACCURACY,
    BITS,
    BLEU,
    BLEU_1,
    BLEU_2,
    BLEU_3,
    CER,
    METRICS,
    NATS,
    WER,
    WHOLE,
    Metric,
    bleu_of_sums,
)
from ecrnn.stats.operating_points import OperatingCurve, OperatingPoint, auc_interval, operating_curve
from ecrnn.stats.paired import PairedT, corrected_resampled_t, equivalence, holm, paired_t, probability_better
from ecrnn.stats.power import detectable, detection_power, repeats_needed, seeds_needed, smallest_detectable
from ecrnn.stats.random_effects import RandomEffects, Slope, random_effects, slope, weighted_random_effects
from ecrnn.stats.ranks import MeanRanks, mean_ranks
from ecrnn.stats.results import Comparison, Contrast, ModelScores, Pair
from ecrnn.stats.seed_and_split import SeedAndSplit, seed_and_split
from ecrnn.stats.sequential import SequentialPlan
from ecrnn.stats.sequential_comparison import Look, SequentialComparison, SequentialPair, compare_sequentially
from ecrnn.stats.sequential_designs import Outcomes, simulate_plan
from ecrnn.stats.signed_rank import Wilcoxon, bayesian_signed_rank, fewest_data_sets, wilcoxon
from ecrnn.stats.simulate import FalsePositives, equal_learners, false_positives
from ecrnn.stats.simulate_across import AcrossMisses, misses_across
from ecrnn.stats.verdicts import (
    FEW_REPEATS,
    MIN_REPEATS,
    Verdict,
    repeats_warning,
    verdict,
)

__all__ = [
    "ACCURACY",
    "AUC",
    "BALANCED_ACCURACY",
    "BITS",
    "BLEU",
    "BLEU_1",
    "BLEU_2",
    "BLEU_3",
    "CER",
    "CLASS_SCORES",
    "FEW_REPEATS",
    "MACRO_F1",
    "METRICS",
    "MIN_REPEATS",
    "NATS",
    "PAPER_TEST_WARNING",
    "WER",
    "WHOLE",
    "Across",
    "AcrossMisses",
    "AcrossPair",
    "BestOfN",
    "Calibration",
    "ClassAverages",
    "Comparison",
    "ConfidenceBin",
    "Contrast",
    "FalsePositives",
    "Hierarchical",
    "ImageTest",
    "Interval",
    "Look",
    "McNemar",
    "MeanRanks",
    "Metric",
    "ModelScores",
    "OnDataSet",
    "OperatingCurve",
    "OperatingPoint",
    "Outcomes",
    "Pair",
    "PairedT",
    "Posterior",
    "Profile",
    "RandomEffects",
    "SeedAndSplit",
    "SequentialComparison",
    "SequentialPair",
    "SequentialPlan",
    "Slope",
    "Summary",
    "Verdict",
    "Wilcoxon",
    "accuracy_difference_interval",
    "auc",
    "auc_interval",
    "balanced_accuracy",
    "bayesian_correlated_t",
    "bayesian_signed_rank",
    "best_of_n",
    "bleu_of_sums",
    "bootstrap_difference",
    "bootstrap_mean",
    "bootstrap_metric",
    "calibration",
    "class_averages",
    "class_scores",
    "clopper_pearson",
    "compare",
    "compare_across",
    "compare_scores",
    "compare_sequentially",
    "corrected_resampled_t",
    "cross_fitted",
    "crossed_t",
    "detectable",
    "detection_power",
    "equal_learners",
    "equivalence",
    "expected_best",
    "false_positives",
    "fewest_data_sets",
    "fit_temperature",
    "hierarchical",
    "holm",
    "improvement",
    "macro_f1",
    "mcnemar",
    "mean_ranks",
    "metric_interval",
    "metric_named",
    "misses_across",
    "operating_curve",
    "paired_t",
    "paper_test",
    "probability_better",
    "profile",
    "random_effects",
    "repeats_needed",
    "repeats_warning",
    "seed_and_split",
    "seeds_needed",
    "shared_covariance",
    "simulate_plan",
    "slope",
    "smallest_detectable",
    "summarise",
    "usual_looks",
    "verdict",
    "weighted_random_effects",
    "wilcoxon",
    "wilson",
]
