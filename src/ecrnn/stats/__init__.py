"""Statistics of comparisons: NumPy and SciPy only, fractions 0..1 everywhere, plain dataclasses as results.

Start at :func:`compare`. What is compared: metrics.py, class_scores.py. One model: intervals.py. Two models over
repeats: paired.py, bayes.py, verdicts.py, power.py. Two trained networks on one test set: examples.py for any metric,
images.py for accuracy, with the paper's own test. How often each test errs: simulate.py.
"""

from ecrnn.stats.bayes import Posterior, bayesian_correlated_t
from ecrnn.stats.bootstrap import bootstrap_difference, bootstrap_metric, metric_interval
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
from ecrnn.stats.comparison import Comparison, ModelScores, Pair, compare, compare_scores
from ecrnn.stats.intervals import Interval, Summary, bootstrap_mean, summarise, wilson
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
    "EQUIVALENT_AT",
    "FEW_REPEATS",
    "MACRO_F1",
    "METRICS",
    "MIN_REPEATS",
    "NATS",
    "PAPER_TEST_WARNING",
    "WER",
    "WHOLE",
    "Comparison",
    "FalsePositives",
    "ImageTest",
    "Interval",
    "McNemar",
    "Metric",
    "ModelScores",
    "Pair",
    "PairedT",
    "Posterior",
    "Summary",
    "Verdict",
    "accuracy_difference_interval",
    "auc",
    "balanced_accuracy",
    "bayesian_correlated_t",
    "bleu_of_sums",
    "bootstrap_difference",
    "bootstrap_mean",
    "bootstrap_metric",
    "class_scores",
    "compare",
    "compare_scores",
    "corrected_resampled_t",
    "detection_power",
    "equal_learners",
    "false_positives",
    "holm",
    "macro_f1",
    "mcnemar",
    "metric_interval",
    "metric_named",
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
