"""How far back does the RNN read? Gradient and effect of each step on the last state (docs/how-far-back.md).

python examples/how_far_back.py                                     # untrained LSTM, GRU, RNN
python examples/how_far_back.py STUDY... --out results/why/memory   # the finished trials of studies
"""

import argparse
from pathlib import Path

from ecrnn.core.devices import environment
from ecrnn.report.content.memory_table import memory_table
from ecrnn.report.render.markdown import markdown_table
from ecrnn.report.render.memory_files import write_memory
from ecrnn.studies.effective_memory import SAMPLES, STEPS, trained_memories, untrained_memories

parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
parser.add_argument("studies", nargs="*", type=Path, metavar="STUDY", help="what 'ecrnn compare' left in --out")
parser.add_argument("--out", type=Path, default=Path("runs/memory"))
parser.add_argument("--data-dir", type=Path, help="local copies of data sets; default: where the study had them")
parser.add_argument("--images", type=int, default=SAMPLES, help="of each trial, or sequences of an untrained layer")
parser.add_argument("--seeds", type=int, default=5, help="untrained layers of each kind")
parser.add_argument("--steps", type=int, default=STEPS, help="of the sequences that untrained layers read")
chosen = parser.parse_args()

memories = []
if chosen.studies:
    for study in chosen.studies:
        memories += trained_memories(study, chosen.data_dir, chosen.images)
else:
    memories += untrained_memories(chosen.seeds, chosen.steps, sequences=chosen.images)
paths = write_memory(memories, chosen.out, environment())
print(markdown_table(memory_table(memories)))
print(*paths.values(), sep="\n")
