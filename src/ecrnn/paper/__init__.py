"""The paper's own study: its settings, what it printed, and its tables beside those of a study of the same models.

Woo, Kim and Choi, "New Hybrid Approach of CNN and RNN based on Encoder and Decoder", Information Systems Review 25 (1).
No tool of the package needs it: only `ecrnn reproduce` and the calls that make reports (`ecrnn.api`, `ecrnn report`)
import it, and for the latter `ecrnn.report` has a `write_report` of the same arguments. Imports no torch.

    report = write_report([Path("runs/reproduce-paper")])
    report.analysis.supplement.data.tallies
"""

from ecrnn.paper.printed import MODELS
from ecrnn.paper.profiles import PROFILES
from ecrnn.paper.report import analyse, write_report
from ecrnn.paper.reproduction import Reproduced, ReproducedModel, Reproduction, Tally

__all__ = [
    "MODELS",
    "PROFILES",
    "Reproduced",
    "ReproducedModel",
    "Reproduction",
    "Tally",
    "analyse",
    "write_report",
]
