"""Does the order matter in which an LSTM reads a feature map? Four scans of one network, three splits.

python examples/compare_scans.py                  # 32x32 images, a few minutes
python examples/compare_scans.py --image-size 8 --epochs 1
"""

import argparse

import ecrnn

parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
parser.add_argument("--image-size", type=int, default=32)
parser.add_argument("--epochs", type=int, default=8)
parser.add_argument("--out", default="runs/scans")
chosen = parser.parse_args()

report = ecrnn.compare(
    "digits",
    ["crnn-lstm-16", "crnn-lstm-16@random", "crnn-lstm-16@rows", "crnn-lstm-16@positions"],
    repeats=3,
    image_size=chosen.image_size,
    epochs=chosen.epochs,
    batch_size=32,
    out=chosen.out,
)
for row in report.analysis.models:
    print(f"{row.model:25} {100 * row.summary.mean:6.2f} %")
print(report.analysis.headline)
print(report.paths["report.html"])
