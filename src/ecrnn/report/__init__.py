"""Tables and figures from run directories: terminal, Markdown, LaTeX, CSV, JSON and one HTML page.

Imports no torch.

    report = write_report([Path("runs/digits")])      # report.html and the other files
    print_report(report.analysis, console)

In between: `read_study` (folders to a record), `analyse` (record to plain data). `archive_study` makes a small copy of
a study. One trained model on data, without a study: `evaluate_predictions`, or `evaluate_scores` for a task without
classes. matplotlib and jinja2 are imported when a page is made.
"""

from ecrnn.report.analyse import analyse
from ecrnn.report.archive import Archived, archive_study
from ecrnn.report.evaluation import (
    Evaluation,
    evaluate_predictions,
    evaluation_page,
    print_evaluation,
    write_evaluation,
)
from ecrnn.report.read import StudyRecord, read_study
from ecrnn.report.results import Analysis, plain
from ecrnn.report.scored import (
    Example,
    Measured,
    ScoredEvaluation,
    evaluate_scores,
    print_scored,
    scored_page,
    write_scored,
)
from ecrnn.report.supplement import Supplement
from ecrnn.report.terminal import print_report
from ecrnn.report.write import Report, write_analysis, write_report

__all__ = [
    "Analysis",
    "Archived",
    "Evaluation",
    "Example",
    "Measured",
    "Report",
    "ScoredEvaluation",
    "StudyRecord",
    "Supplement",
    "analyse",
    "archive_study",
    "evaluate_predictions",
    "evaluate_scores",
    "evaluation_page",
    "plain",
    "print_evaluation",
    "print_report",
    "print_scored",
    "read_study",
    "scored_page",
    "write_analysis",
    "write_evaluation",
    "write_report",
    "write_scored",
]
