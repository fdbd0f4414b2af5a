"""Scores from elsewhere: a table of other programs' results in, the verdicts and report of a study out. No torch.

    report = judge("scores.csv", n_train=35_000, n_test=15_000)        # model, repeat, score
    print(report.analysis.headline)

A table is read (score_table.py, cells.py) and known by its columns, or told (exports.py, reshape.py); its rows become
one score, or one answer an example, for each model and repeat (records.py), of a metric (metric_names.py).
score_analysis.py makes of them what `ecrnn.report` sets, as of a study. docs/how-to/judge.md is for users,
docs/decisions/scores-from-elsewhere.md says why.
"""

from ecrnn.scores.judging import analyse_each, judge, judge_across, judge_each, read
from ecrnn.scores.score_analysis import How

__all__ = ["How", "analyse_each", "judge", "judge_across", "judge_each", "read"]
