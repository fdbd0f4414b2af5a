"""A stranger's model, from an empty folder to a bundle in use: `summary`, `compare`, killed and continued, and more.

Everything but its table is done as a user does it, in processes of their own.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from cli.conftest import call_main
from commands import Commands
from PIL import Image

from ecrnn.models import registry

RESNET = '''\
"""A small residual network in plain torch."""

import torch
from torch import nn

import ecrnn


class Block(nn.Module):
    def __init__(self, channels, maps, stride):
        super().__init__()
        self.one = nn.Conv2d(channels, maps, 3, stride, padding=1, bias=False)
        self.two = nn.Conv2d(maps, maps, 3, padding=1, bias=False)
        self.norms = nn.ModuleList([nn.BatchNorm2d(maps), nn.BatchNorm2d(maps)])
        self.shortcut = nn.Conv2d(channels, maps, 1, stride, bias=False)

    def forward(self, x):
        y = torch.relu(self.norms[0](self.one(x)))
        return torch.relu(self.norms[1](self.two(y)) + self.shortcut(x))


@ecrnn.register(
    "resnet",
    task="image-classification",
    recipe={"lr": 0.003},
    bounds={"width": (1, 64)},
    areas={"body": "residual"},
)
class ResNet(nn.Module):
    def __init__(self, spec, *, width: int = 6, dropout: float = 0.1):
        super().__init__()
        self.body = nn.Sequential(Block(spec.image[0], width, 1), Block(width, 2 * width, 2))
        self.dropout = nn.Dropout(dropout)
        self.head = nn.Linear(2 * width, spec.classes)

    def forward(self, x):
        maps = self.body(x)  # (B, 2 * width, H/2, W/2)
        return self.head(self.dropout(maps.mean((2, 3))))
'''
STUDY = (
    "compare digits --code resnet.py --models mlp-16,resnet,resnet+width=4,logistic --repeats 3 --jobs 2 --image-size 8"
)
SETTINGS = ["--epochs", "6", "--threads", "1", "--set", "training.checkpoint_seconds=0.01"]


def predictions(study: Path) -> dict[str, bytes]:
    return {
        path.parent.relative_to(study).as_posix(): b"".join(array.tobytes() for array in np.load(path).values())
        for path in sorted(study.rglob("predictions.npz"))
    }


@pytest.fixture(scope="module")
def alone(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the file and nothing else."""
    folder = tmp_path_factory.mktemp("own")
    (folder / "resnet.py").write_text(RESNET)
    return folder


@pytest.fixture(scope="module")
def folder(alone: Path, commands: Commands) -> Path:
    """The same with the studies, one left alone in one process, one of two workers killed halfway and continued."""
    folder = alone
    done = commands("ecrnn", *STUDY.replace("--jobs 2", "").split(), *SETTINGS, "-o", "whole", folder=folder)
    assert done.returncode == 0, done.stderr
    words = [*STUDY.split(), *SETTINGS, "-o", "killed"]
    study = subprocess.Popen(
        [sys.executable, "-m", "ecrnn", *words],
        cwd=folder,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    deadline = time.monotonic() + 120
    while not list((folder / "killed").glob("resnet*/repeat-*/checkpoint/*")) and time.monotonic() < deadline:
        time.sleep(0.02)
    os.killpg(study.pid, signal.SIGKILL)
    study.wait()
    assert 0 < len(list((folder / "killed").glob("resnet*/repeat-*/config.yaml"))) < 7
    done = commands("ecrnn", *words, folder=folder)
    assert done.returncode == 0, done.stderr
    return folder


def test_its_table(alone: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(registry, "_registered", {})
    monkeypatch.chdir(alone)
    done = call_main("summary", "resnet+width=8", "--code", "resnet.py", "--image", "1x8x8", "--json")
    table = json.loads(done.out)
    assert {row["area"] for row in table["rows"]} == {"residual"}
    kernels = 9 * (8 + 8 * 8 + 8 * 16 + 16 * 16) + 8 + 8 * 16
    assert table["trainable"] == kernels + 4 * (8 + 16) + 16 * 10 + 10
    assert table["uncounted"] == []


@pytest.mark.slow
def test_its_gradients(alone: Path, commands: Commands) -> None:
    done = commands("ecrnn", "gradcheck", "resnet", "--code", "resnet.py", "--image", "1x8x8", folder=alone)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.slow
def test_killed_and_continued_it_has_the_same_bits(folder: Path) -> None:
    whole = predictions(folder / "whole")
    assert len(whole) == 12
    assert predictions(folder / "killed") == whole


@pytest.mark.slow
def test_its_report_names_its_recipe(folder: Path, commands: Commands) -> None:
    done = commands("ecrnn", "report", "whole", "--json", folder=folder)
    assert done.returncode == 0, done.stderr
    report = (folder / "whole" / "report" / "report.md").read_text()
    assert "but resnet with lr 0.003; resnet+width=4 with lr 0.003" in report
    assert "logistic (LogisticRegression) is scikit-learn's, fitted once to the training values" in report
    assert "--code FILE" in report


@pytest.mark.slow
def test_its_bundle_is_used_only_with_its_file(folder: Path, commands: Commands) -> None:
    assert (
        "name its file with --code"
        in commands("ecrnn", "bundle", "whole", "--model", "resnet", "-o", "b", folder=folder).stderr
    )
    done = commands("ecrnn", "bundle", "whole", "--model", "resnet", "-o", "b", "--code", "resnet.py", folder=folder)
    assert done.returncode == 0, done.stderr
    assert (folder / "b" / "code.py").read_text() == RESNET
    Image.fromarray(np.full((8, 8), 99, np.uint8)).save(folder / "one.png")

    refused = commands("ecrnn", "predict", "b", "one.png", folder=folder)
    assert refused.returncode == 1
    assert "never run unasked; read b/code.py, then name it with --code" in refused.stderr
    (folder / "other.py").write_text(RESNET + "# changed\n")
    refused = commands("ecrnn", "evaluate", "b", "digits", "--code", "other.py", folder=folder)
    assert "other.py has SHA-256" in refused.stderr
    (folder / "b" / "code.py").write_text("raise SystemExit('run unasked')\n")  # a copy is never run

    predicted = commands("ecrnn", "predict", "b", "one.png", "--code", "resnet.py", "--json", folder=folder)
    assert json.loads(predicted.stdout)["classes"][0]["class"] in set("0123456789")
    evaluated = commands("ecrnn", "evaluate", "b", "digits", "--code", "resnet.py", "--json", folder=folder)
    assert 0.5 < json.loads(evaluated.stdout)["accuracy"]["estimate"] <= 1


@pytest.mark.slow
def test_it_is_trained_to_be_kept(alone: Path, commands: Commands) -> None:
    words = "--model resnet --code resnet.py --image-size 8 --epochs 1 -o kept"
    done = commands("ecrnn", "train", "digits", *words.split(), folder=alone)
    assert done.returncode == 0, done.stderr
    assert (alone / "kept" / "code.py").is_file()
    assert "lr: 0.003" in (alone / "kept" / "train.yaml").read_text()


@pytest.mark.slow
def test_changed_code_does_not_go_on_with_an_old_study(folder: Path, commands: Commands) -> None:
    (folder / "changed").mkdir()
    (folder / "changed" / "resnet.py").write_text(RESNET + "# changed\n")
    words = [*STUDY.replace("resnet.py", "changed/resnet.py").split(), *SETTINGS, "-o", "whole"]
    done = commands("ecrnn", *words, folder=folder)
    assert done.returncode == 1
    line = done.stderr.strip()
    assert "\n" not in line
    assert "in the run that is to go on; bring that one back, or choose another --out" in line


@pytest.mark.slow
def test_a_study_never_runs_code_by_itself(folder: Path, commands: Commands) -> None:
    words = [word for word in STUDY.split() if word not in ("--code", "resnet.py")]
    done = commands("ecrnn", *words, *SETTINGS, "-o", "whole", folder=folder)
    assert done.returncode == 2
    assert "unknown model 'resnet'" in done.stderr


@pytest.mark.slow
def test_objects_are_models_in_python(folder: Path, commands: Commands) -> None:
    script = """
import ecrnn
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC
from torch import nn

def build(spec):
    channels, height, width = spec.image
    return nn.Sequential(nn.Flatten(), nn.Linear(channels * height * width, spec.classes))

svm = make_pipeline(StandardScaler(), SVC())
more = dict(repeats=3, image_size=8, epochs=1, out="objects")
report = ecrnn.compare("digits", {"mine": build, "small": "mlp-8", "svm": svm}, **more)
print([row.model for row in report.analysis.models])
try:
    ecrnn.compare("digits", {"mine": build, "other": "mlp-4"}, jobs=2, **{**more, "out": "more"})
except ecrnn.EcrnnError as error:
    print(error)
"""
    (folder / "script.py").write_text(script)
    done = commands("python", "script.py", folder=folder)
    assert done.returncode == 0, done.stderr
    first, second = done.stdout.strip().split("\n")
    assert first == "['mine', 'mlp-8', 'svm']"
    assert second.startswith("model 'mine' is known to this process alone")
