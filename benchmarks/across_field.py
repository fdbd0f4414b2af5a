"""Three small networks on five real data sets, killed once on the way, and one report across them.

    python benchmarks/across_field.py DATA_DIR WORK_DIR

DATA_DIR has the folders of `DATA`. The first process is killed (SIGKILL) after `KILL_AFTER` finished trainings, the
same command goes on, and what was finished before is not trained again. The studies are then copied, in small, to
results/across, with their report.
"""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from pathlib import Path

from ecrnn.core.across_plan import AcrossPlan, read_plan, write_plan
from ecrnn.report import archive_study, write_across_report

DATA = ("field/sign-digits", "field/gtsrb22", "field/neu-steel", "field/brain-mri", "plantvillage-apple")
MODELS = ("cnn", "crnn-bilstm-16", "ecrnn-bilstm-16")
SETTINGS = (
    *("--image-size", "16", "--repeats", "3", "--epochs", "10", "--batch-size", "32", "--score-epochs", "1"),
    *("--threads", "1"),
)
MODERATORS = ("log-n", "classes")
KILL_AFTER = 17
RESULTS = Path("results/across")


def main(data: Path, work: Path) -> None:
    study = (work / "five").resolve()
    command = [sys.executable, "-m", "ecrnn", "compare", *DATA]
    command += ["--models", ",".join(MODELS), *SETTINGS, "--moderators", ",".join(MODERATORS), "--out", str(study)]
    before = manifests(study)
    if len(before) < KILL_AFTER:
        with subprocess.Popen(command, cwd=data) as process:
            while len(manifests(study)) < KILL_AFTER and process.poll() is None:
                time.sleep(0.2)
            process.send_signal(signal.SIGKILL)
        before = manifests(study)
        print(f"killed with {len(before)} trainings finished", flush=True)
    subprocess.run(command, check=True, cwd=data)
    after = manifests(study)
    assert {place: after[place] for place in before} == before, "a finished training was trained again"
    assert len(after) == len(DATA) * len(MODELS) * 3
    publish(study)


def manifests(study: Path) -> dict[str, bytes]:
    """What is finished."""
    return {str(path.relative_to(study)): path.read_bytes() for path in study.glob("*/*/repeat-*/manifest.json")}


def publish(study: Path) -> None:
    """The studies in small, and the report of the copy."""
    plan = read_plan(study)
    for name in plan.data:
        archive_study(study / name, RESULTS / name)
    write_plan(RESULTS, AcrossPlan(**{**plan.model_dump(), "data": {name: name for name in plan.data}}))
    written = write_across_report([RESULTS])
    for name, path in written.paths.items():
        if name not in ("report.md", "report.json"):
            path.unlink()


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
