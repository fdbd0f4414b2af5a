"""What the extension does to the process that loads it: nothing to its arithmetic, and no threads beside torch's."""

import importlib
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from recurrence.cpu.problems import built

pytestmark = [built, pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")]

PRELUDE = """
import importlib, json, os, sys
{first}
import torch
from ecrnn.recurrence import cpu

def threads():
    return len(os.listdir("/proc/self/task"))

def recur():
    w = [torch.randn(64, 1), torch.randn(64, 16), torch.zeros(64), torch.zeros(64)]
    x, h, c = torch.randn(256, 600, 1), torch.zeros(1, 256, 16), torch.zeros(1, 256, 16)
    saved = cpu.forward(("lstm", x, w, h, c, None), False, True)[3]
    return cpu.backward((("lstm", x, w, h, c, None)), saved, None, h + 1, None, True, False, 0.0)
"""
EXTENSION = "importlib.import_module('ecrnn.recurrence._cpu')"


def results(code, first=""):
    """What a fresh interpreter prints as JSON."""
    done = subprocess.run(
        [sys.executable, "-c", PRELUDE.format(first=first) + code], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@pytest.fixture(scope="module", params=["import torch", EXTENSION], ids=["torch first", "extension first"])
def process(request):
    """What a process finds that computes by torch and by the kernels."""
    code = """
tiny = lambda: float(torch.tensor([1e-40]) * 1.0) > 0 and sys.float_info.min / 4 > 0
torch.set_num_threads(5)
before = threads()
recur()
ours = threads()
torch.randn(4000, 1000).exp()
both = threads()
maps = {line.split()[-1] for line in open("/proc/self/maps") if "gomp" in line or "libomp" in line}
denormals = [tiny(), bool((torch.full((400_000,), 1e-40) * 1.0).all())]
print(json.dumps([before, ours, both, sorted(maps), denormals]))
"""
    return results(code, request.param)


@pytest.mark.sampled(most=1)
def test_one_pool_of_threads(process):
    """The kernels' OpenMP is the one that torch brought, and so are its threads."""
    before, ours, both, libraries, _ = process
    assert ours >= before + 4
    assert both == ours
    assert len(libraries) == 1


@pytest.mark.sampled(most=1)
def test_denormals_survive(process):
    """A library linked with -ffast-math would set the whole process to flush them to zero. The kernels do so while they
    compute, and must not leave it to the threads that they are the first to start: torch computes on them next."""
    assert process[4] == [True, True]


def test_torch_is_not_needed_by_the_extension():
    """It takes any arrays and links to no library of torch."""
    library = importlib.import_module("ecrnn.recurrence._cpu")
    x, (h, h_n) = np.ones((2, 3, 1), np.float32), np.zeros((2, 1, 2, 4), np.float32)
    w = [np.ones((4, 1), np.float32), np.ones((4, 4), np.float32), np.zeros(4, np.float32), np.zeros(4, np.float32)]
    library.forward("rnn_relu", x, w, h, None, None, None, h_n, None, None, 1, "")
    assert h_n[0, 0, 0] == 21
    assert b"libtorch" not in Path(library.__file__).read_bytes()
