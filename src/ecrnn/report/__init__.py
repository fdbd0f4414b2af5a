"""Reports from run directories: terminal, Markdown, LaTeX, CSV, JSON and one HTML page. Imports no torch.

    report = write_report([Path("runs/digits")])      # report.html and the other files
    print_report(report.analysis, console)
    write_across_report([Path("runs/mnist"), Path("runs/digits"), Path("runs/signs")], Path("across"))

In between: `read_study` (folders to a record), `analyse` (record to plain data). `archive_study` makes a small copy of
a study. One trained model on data, without a study: `evaluate_predictions`, or `evaluate_scores` for a task without
classes. matplotlib and jinja2 are imported when a page is made.

A report is made in three steps, each a folder, and each imports from those before it alone:

- at the top, what all of them speak with: formats.py (numbers as text), table.py, figure.py, and supplement.py, what
  another package may put first;
- analysis/: what is computed from the files of a study, as plain data; schema.py says what report.json holds. The
  finding in a sentence (headline.py) and the lines of the fairness table are part of it, so they are here;
- content/: what a report says of it, as tables;
- render/: how that is set in each form, with the figures, and the files.
"""

from ecrnn.core.predictions import Example
from ecrnn.report.analysis.analyse import analyse
from ecrnn.report.analysis.analyse_across import AcrossAnalysis, ScoredDataSet, analyse_across
from ecrnn.report.analysis.analyse_studies import analyse_studies
from ecrnn.report.analysis.analyse_tuning import TuningAnalysis, analyse_tuning
from ecrnn.report.analysis.archive import Archived, archive_study
from ecrnn.report.analysis.evaluation import Decision, Evaluation, evaluate_predictions
from ecrnn.report.analysis.metric_evaluation import MetricEvaluation, MetricResult, evaluate_scores
from ecrnn.report.analysis.read import StudyRecord, read_study
from ecrnn.report.analysis.schema import Analysis, plain
from ecrnn.report.render.across_files import AcrossReport, print_across, write_across, write_across_report
from ecrnn.report.render.evaluation_files import evaluation_json, evaluation_page, print_evaluation, write_evaluation
from ecrnn.report.render.metric_evaluation_files import (
    metric_evaluation_json,
    metric_evaluation_page,
    print_metric_evaluation,
    write_metric_evaluation,
)
from ecrnn.report.render.terminal import print_report
from ecrnn.report.render.tuning_files import TuningReport, print_tuning, write_tuning_report
from ecrnn.report.render.write import Report, write_analysis, write_report
from ecrnn.report.supplement import Supplement

__all__ = [
    "AcrossAnalysis",
    "AcrossReport",
    "Analysis",
    "Archived",
    "Decision",
    "Evaluation",
    "Example",
    "MetricEvaluation",
    "MetricResult",
    "Report",
    "ScoredDataSet",
    "StudyRecord",
    "Supplement",
    "TuningAnalysis",
    "TuningReport",
    "analyse",
    "analyse_across",
    "analyse_studies",
    "analyse_tuning",
    "archive_study",
    "evaluate_predictions",
    "evaluate_scores",
    "evaluation_json",
    "evaluation_page",
    "metric_evaluation_json",
    "metric_evaluation_page",
    "plain",
    "print_across",
    "print_evaluation",
    "print_metric_evaluation",
    "print_report",
    "print_tuning",
    "read_study",
    "write_across",
    "write_across_report",
    "write_analysis",
    "write_evaluation",
    "write_metric_evaluation",
    "write_report",
    "write_tuning_report",
]
