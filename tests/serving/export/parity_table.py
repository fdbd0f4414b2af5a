"""The table of docs/how-to/export.md: how far the exported file of every family is from its model.

python -m serving.export.parity_table        (in tests/) prints its rows
"""

from __future__ import annotations

import json
import re
import tempfile
from pathlib import Path

from serving.export import small_bundles

from ecrnn.models.family import CELLS
from ecrnn.models.names import parse
from ecrnn.serving.export.exporting import export

PAGE = Path(__file__).parents[3] / "docs" / "how-to" / "export.md"
ROW = re.compile(
    r"^\| `(?P<name>[^`]+)` \| (?P<size>[\dx]+|-) \| (?P<largest>[\de.-]+) \| (?P<levels>\d|-) \|$", re.MULTILINE
)
_OF_IMAGES = [
    *(f"ecrnn-{cell}-5" for cell in CELLS),
    "ecrnn-bigru-4-3@positions",
    *("crnn-rnn-4", "crnn-gru-4", "crnn-bilstm-4", "crnn-lstm-4-3@random", "crnn-bilstm-4@columns", "crnn-gru-4@rows"),
    *("cnn", "cnn-20-9", "ecnn", "mlp-12", "mlp-12-squared", "rows-bigru-6", "rows-lstm-6-cnn", "parallel-6"),
    *("lenet5", "lenet5-1998"),
]
_SIZES = [(1, 8, 8), (3, 32, 32), (3, 48, 64)]
CASES: list[tuple[str, tuple[int, int, int] | None]] = [
    *((name, (3, 16, 20)) for name in _OF_IMAGES),
    *((name, (3, 63, 70)) for name in ("alexnet", "alexnet-lrn")),
    *((name, (3, 32, 32)) for name in ("ecrnn-plus", "crnn-plus", "cnn-plus", "ecnn-plus")),
    ("ecrnn-plus", (3, 48, 64)),
    *((name, size) for name in ("ecrnn-bilstm-16", "crnn-gru-16") for size in _SIZES),
    *((name, (1, 16, 24)) for name in ("frames-bigru-8", "frames-lstm-8")),
    *((name, (1, 16, 40)) for name in ("ocr-bilstm-8-7", "ocr-gru-8")),
    *((name, None) for name in ("sentiment-bilstm-8", "sentiment-gru-8-7", "sentiment-cnn", "sentiment-cnn-birnn-8")),
    *((name, None) for name in ("sentiment-parallel", "sequence-bilstm-8", "sequence-gru-8-7")),
    *((name, None) for name in ("sequence-cnn-gru-8", "sequence-cnn-bilstm-8-7")),
]


def measure(name: str, size: tuple[int, int, int] | None, folder: Path) -> tuple[float, int | None]:
    """Export a small bundle of a model; the largest relative difference, and the levels that pixels are off."""
    bundle = small_bundles.write(folder / "bundle", name, size or (3, 16, 20))
    whole = parse(name).task.name in ("image-classification", "transcription")
    written = export(bundle, folder / "x.onnx", input="image" if whole else "pixels")
    of_images = json.loads(written.parity.read_text()).get("whole_images")
    return written.largest, of_images and of_images["levels"]


def row(name: str, size: tuple[int, int, int] | None, largest: float, levels: int | None) -> str:
    """A line of the table."""
    shown = "x".join(map(str, size)) if size else "-"
    return f"| `{name}` | {shown} | {largest:.0e} | {'-' if levels is None else levels} |"


def main() -> None:
    """Print all rows."""
    for name, size in CASES:
        with tempfile.TemporaryDirectory() as folder:
            print(row(name, size, *measure(name, size, Path(folder))), flush=True)


if __name__ == "__main__":
    main()
