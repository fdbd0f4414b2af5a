"""The C++ programs beside this file, compiled with the flags of CMakeLists.txt for each instruction set there is."""

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest
from lanes import seldom

from ecrnn.recurrence import cpu

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
RECURRENCE, LAYERS = (ROOT / "src" / "ecrnn" / package / "cpu" for package in ("recurrence", "layers"))
CMAKE = (ROOT / "CMakeLists.txt").read_text(encoding="utf-8")
COMPILER = os.environ.get("CXX", "g++")

pytestmark = pytest.mark.skipif(shutil.which(COMPILER) is None, reason=f"no {COMPILER}")
SETS = cpu.instructions() or ["portable"]
each_instruction_set = pytest.mark.parametrize("instruction_set", SETS)
LAST = [
    pytest.param(one, marks=() if one == SETS[-1] else seldom) for one in SETS
]  # the widest; `make sanitize` has all


def flags(instruction_set: str) -> list[str]:
    """As CMakeLists.txt has them, without those that make it fast."""
    (common,) = re.findall(r"target_compile_options\(\$\{library\} PRIVATE (.*?) \$\{ARGN\}\)", CMAKE, re.DOTALL)
    own = dict(re.findall(r"add_kernels\(\$\{module\} (\w+) ?([^)]*)\)", CMAKE))[instruction_set]
    return [flag for flag in (*common.split(), *own.split()) if not flag.startswith("-O")]


def compiled(out: Path, instruction_set: str, *arguments: str) -> Path:
    folders = [f"-I{RECURRENCE}", f"-I{LAYERS}"]
    command = [COMPILER, "-std=c++20", *flags(instruction_set), *folders, *arguments, "-o", str(out)]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-4000:]
    return out


def run(program: Path, *arguments: str, **environment: str) -> str:
    done = subprocess.run(
        [program, *arguments], capture_output=True, text=True, env=os.environ | environment, timeout=600
    )
    assert done.returncode == 0, (done.stdout + done.stderr)[-4000:]
    return done.stdout


def test_flags_keep_not_a_number():
    for instruction_set in ("portable", "avx2", "avx512"):
        assert not {"-ffast-math", "-Ofast", "-ffinite-math-only"} & set(flags(instruction_set))
    assert "-march=x86-64-v4" in flags("avx512")


@pytest.mark.sampled(most=1)
@each_instruction_set
def test_errors_of_the_activations(instruction_set, tmp_path):
    """For one of 4,001 float32 numbers; `activations 1` takes all."""
    program = compiled(
        tmp_path / "activations", instruction_set, "-O2", "-Wno-uninitialized", str(HERE / "activations.cpp")
    )
    lines = run(program, "4001").splitlines()
    assert len(lines) == 7
    assert all(line.startswith(instruction_set) for line in lines)


def under_sanitizers(out: Path, instruction_set: str, *sources: Path | str) -> str:
    """What the program says that the addresses and the undefined behaviour of its kernels were watched in."""
    sanitizers = ["-O1", "-fopenmp", "-fsanitize=address,undefined", "-fno-sanitize-recover=undefined"]
    watched = ["-D_GLIBCXX_SANITIZE_VECTOR", "-D_GLIBCXX_ASSERTIONS", "-DECRNN_X86"]
    program = compiled(out, instruction_set, *sanitizers, *watched, *map(str, sources))
    # the interpreter's own preloads stay out of the program
    return run(program, LD_PRELOAD="", OMP_NUM_THREADS="2")


@pytest.mark.slow
@pytest.mark.parametrize("instruction_set", LAST)
def test_recurrence_under_sanitizers(instruction_set, tmp_path):
    only = f"-DECRNN_ONLY={instruction_set}_kernels"
    said = under_sanitizers(
        tmp_path / "kernels", instruction_set, only, HERE / "kernels.cpp", RECURRENCE / "kernels.cpp"
    )
    assert said == f"{instruction_set}: 320 cases, 0 wrong\n"


@pytest.mark.slow
@pytest.mark.parametrize("instruction_set", LAST)
def test_layers_under_sanitizers(instruction_set, tmp_path):
    only = f"-DECRNN_ONLY={instruction_set}"
    sources = [LAYERS / name for name in ("stages.cpp", "gelu_stages.cpp", "image.cpp")]
    said = under_sanitizers(tmp_path / "layers", instruction_set, only, HERE / "layers.cpp", *sources)
    assert said == f"{instruction_set}: 101 cases, 0 wrong\n"
