"""What the paper printed: Woo, Kim and Choi, "New Hybrid Approach of CNN and RNN based on Encoder and Decoder",
Information Systems Review 25 (1), in Korean. Data alone; fractions, where the paper has percent and points.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

from ecrnn.report.formats import MINUS

#: The paper's 17 configurations, in the order of its tables.
MODELS = (
    "cnn",
    *(f"crnn-{cell}-{nodes}" for cell in ("lstm", "bilstm") for nodes in ("16", "32", "16-16", "32-32")),
    *(f"ecrnn-{cell}-{nodes}" for cell in ("lstm", "bilstm") for nodes in ("16", "32", "16-16", "32-32")),
)

DATA = "cifar10"
SPLIT = "0.7"
N_TRAIN, N_VALIDATION, REPEATS = 35_000, 15_000, 3
IMAGES = REPEATS * N_VALIDATION  # behind every mark

NODES = ("16", "32", "16-16", "32-32")
BEST = "best"  # in the place of the nodes: the best of each side
TABLES = {
    2: f"CRNN {MINUS} CNN",
    3: f"ECRNN {MINUS} CNN",
    4: f"ECRNN {MINUS} CRNN",
    5: f"BiLSTM {MINUS} LSTM",
}

_PERCENT = (
    *(73.25,),
    *(74.08, 73.96, 73.69, 73.08),
    *(73.40, 74.52, 73.76, 74.49),
    *(75.97, 75.60, 75.85, 75.55),
    *(77.08, 75.95, 75.74, 75.20),
)
#: Mean accuracy of each model on the validation images, over three repeats.
ACCURACIES = {model: percent / 100 for model, percent in zip(MODELS, _PERCENT, strict=True)}


class Layer(NamedTuple):
    """One row of Table 1. ``output`` is (height, width, channels), (steps, values) or (values,)."""

    area: str
    layer: str
    output: tuple[int, ...]
    parameters: int


TABLE_1_MODEL = "ecrnn-bilstm-16"
TABLE_1_TOTAL = 1_715_210
TABLE_1 = (  # the second "Conv2D_2" of the print is called Conv2D_3 here
    Layer("CNN", "Input", (32, 32, 3), 0),
    Layer("CNN", "Conv2D", (32, 32, 32), 896),
    Layer("CNN", "Batch Normalization", (32, 32, 32), 128),
    Layer("CNN", "Max Pooling", (16, 16, 32), 0),
    Layer("CNN", "Conv2D_1", (16, 16, 64), 18_496),
    Layer("CNN", "Batch Normalization_1", (16, 16, 64), 256),
    Layer("CNN", "Max Pooling_1", (8, 8, 64), 0),
    Layer("CNN", "Conv2D_2", (8, 8, 128), 73_856),
    Layer("CNN", "Batch Normalization_2", (8, 8, 128), 512),
    Layer("CNN", "Max Pooling_2", (4, 4, 128), 0),
    Layer("CNN", "Conv2D_3", (4, 4, 256), 295_168),
    Layer("CNN", "Batch Normalization_3", (4, 4, 256), 1_024),
    Layer("CNN", "Max Pooling_3", (2, 2, 256), 0),
    Layer("CNN", "Flatten", (1_024,), 0),
    Layer("encoder", "Dense", (512,), 524_800),
    Layer("encoder", "Batch Normalization_4", (512,), 2_048),
    Layer("encoder", "Dense_1", (256,), 131_328),
    Layer("encoder", "Batch Normalization_5", (256,), 1_024),
    Layer("decoder", "Dense_2", (512,), 131_584),
    Layer("decoder", "Batch Normalization_6", (512,), 2_048),
    Layer("decoder", "Dense_3", (1_024,), 525_312),
    Layer("decoder", "Batch Normalization_7", (1_024,), 4_096),
    Layer("decoder", "Reshape", (1_024, 1), 0),
    Layer("RNN", "BiLSTM", (32,), 2_304),
    Layer("RNN", "Dense_4", (10,), 330),
    Layer("RNN", "Softmax", (10,), 0),
)


_ECRNN, _CRNN = ([m for m in MODELS if m.startswith(f"{family}-")] for family in ("ecrnn", "crnn"))
#: The questions behind Tables 2-4, each as one: the mean over the eight configurations.
QUESTIONS = {
    f"ECRNN {MINUS} CRNN": (_ECRNN, _CRNN),
    f"CRNN {MINUS} CNN": (_CRNN, ["cnn"]),
    f"ECRNN {MINUS} CNN": (_ECRNN, ["cnn"]),
}


@dataclass(frozen=True)
class Printed:
    """One cell of Tables 2-5: the accuracy of side a minus that of side b, and the marks behind it.

    A side is a family and cell without nodes, such as "crnn-lstm", or "cnn".
    """

    table: int
    side_a: str
    side_b: str
    nodes: str
    difference: float
    stars: str


def candidates(side: str, nodes: str) -> tuple[str, ...]:
    """The models that a side may stand for: one, or with `BEST` all of its nodes."""
    if side == "cnn":
        return (side,)
    return tuple(f"{side}-{size}" for size in (NODES if nodes == BEST else (nodes,)))


def side_name(side: str) -> str:
    """As the paper writes it: "crnn-bilstm" is "CRNN BiLSTM"."""
    return side.upper().replace("-", " ").replace("BILSTM", "BiLSTM")


_ROWS = (  # table, sides, the cells of NODES, then of the best where there is one
    (2, "crnn-lstm", "cnn", "0.83** 0.71* 0.44 -0.17"),
    (2, "crnn-bilstm", "cnn", "0.15 1.27*** 0.51 1.25***"),
    (3, "ecrnn-lstm", "cnn", "2.72*** 2.36*** 2.60*** 2.30***"),
    (3, "ecrnn-bilstm", "cnn", "3.83*** 2.70*** 2.49*** 1.96***"),
    (4, "ecrnn-lstm", "crnn-lstm", "1.89*** 1.64*** 2.16*** 2.47*** 1.89***"),
    (4, "ecrnn-bilstm", "crnn-bilstm", "3.68*** 1.43*** 1.98*** 0.71* 2.56***"),
    (5, "crnn-bilstm", "crnn-lstm", "-0.68* 0.56 0.07 1.42*** 0.44"),
    (5, "ecrnn-bilstm", "ecrnn-lstm", "1.11*** 0.35 -0.11 -0.34 1.11***"),
)


def _cells() -> tuple[Printed, ...]:
    cells = []
    for table, a, b, row in _ROWS:
        for nodes, cell in zip((*NODES, BEST), row.split(), strict=False):  # two tables have no best
            points = cell.rstrip("*")
            cells.append(Printed(table, a, b, nodes, float(points) / 100, cell[len(points) :]))
    return tuple(cells)


#: All 36 comparisons of Tables 2-5, in the paper's order.
COMPARISONS = _cells()
