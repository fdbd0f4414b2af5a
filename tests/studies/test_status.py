"""studies/status: what runs where, what failed, what is left, from the folder alone."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path

from studies.small import settings

from ecrnn.core.files import make_folder
from ecrnn.core.runs import write_settings
from ecrnn.studies.shared_trials import Attempt, SharedTrials
from ecrnn.studies.status import FailedTrial, status


def test_a_study_with_one_of_everything(tmp_path: Path) -> None:
    of = settings("any", models=("cnn", "ecnn"), repeats=3, training={"epochs": 4})
    write_settings(tmp_path, of)
    before = status(tmp_path)
    for facts in ("[]", '"x"', "null"):  # of a manifest from anywhere, which a report refuses
        (make_folder(tmp_path / "cnn" / "repeat-0") / "manifest.json").write_text(f'{{"facts": {facts}}}')
        assert SharedTrials(tmp_path, of, host="c").take() is not None
        assert status(tmp_path).seconds_left is None
        shutil.rmtree(tmp_path / ".work")
    shutil.rmtree(tmp_path / "cnn")
    assert (before.planned, before.finished, before.left, before.running, before.seconds_left) == (6, 0, 6, (), None)

    def taken(host: str) -> Attempt:
        attempt = trials[host].take()
        assert attempt is not None
        return attempt

    trials = {host: SharedTrials(tmp_path, of, lease=60, host=host) for host in ("a", "b")}
    done = taken("a")
    (done.folder / "manifest.json").write_text(json.dumps({"facts": {"seconds": 100.0, "host": "a"}}))
    trials["a"].publish(done)
    trials["a"].fail(taken("a"), RuntimeError("no luck"))
    runs, lost = taken("a"), taken("b")
    (runs.folder / "metrics.jsonl").write_text('{"epoch": 1}\n')
    os.utime(tmp_path / ".work" / f"{lost.lease.name}.1", (0, 0))
    make_folder(tmp_path / "ecnn" / "repeat-2")

    now = status(tmp_path)
    assert (now.planned, now.finished, now.left, now.decided) == (6, 1, 4, False)
    assert now.failed == (FailedTrial("ecnn", 0, "RuntimeError: no luck", 1),)
    assert now.begun == (("ecnn", 2),)
    assert [(one.model, one.repeat, one.host, one.attempt, one.silent) for one in now.running] == [
        ("cnn", 1, "a", 1, False),
        ("cnn", 2, "b", 1, True),
    ]
    assert (now.running[0].epoch, now.running[0].epochs, now.running[0].pid) == (1, 4, os.getpid())
    assert now.seconds_left == 4 * 100 - 25  # four trainings, a quarter of one done, one worker that lives
    assert status(tmp_path) == now or status(tmp_path).running[0].seen != now.running[0].seen  # nothing is changed

    (runs.folder / "metrics.jsonl").write_text(
        '{"epoch": 1, "seconds": 2}\n{"epoch": 2, "seconds": 4.0}\n{"epoch": 3}\n'
    )
    (tmp_path / "cnn" / "repeat-0" / "manifest.json").write_text("{}")  # so that no trial says what one takes
    assert status(tmp_path).seconds_left == 4 * 12 - 9  # of four epochs of 3 s three are done
    trials["a"].lose(runs, "killed")
    assert status(tmp_path).begun == (("cnn", 1), ("ecnn", 2))
    assert [one.repeat for one in status(tmp_path).running] == [2]
