"""`ecrnn push` and `ecrnn pull`, against a hub on this machine; what they check is in tests/serving/test_hub.py."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from serving.fake_hub import FakeHub, serving

from ecrnn.core.seals import seal

pytest.importorskip("huggingface_hub")


def test_there_and_back(call: Any, bundle: Path, images: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_TOKEN", "hf_secret")
    monkeypatch.chdir(tmp_path)
    with serving(FakeHub()) as hub:
        done = call("push", bundle, "ada/flowers", "--private", "--endpoint", hub.endpoint)
        address = f"{hub.endpoint}/ada/flowers/commit/{hub.sha('ada/flowers', 0)}"
        assert (done.status, done.out) == (0, f"{bundle} is on the hub: {address}\n")
        assert hub.private == {"ada/flowers": True}
        done = call("pull", "ada/flowers", "--endpoint", hub.endpoint)
        assert (done.status, done.out) == (0, "ada/flowers in flowers; use it: ecrnn predict flowers image.png\n")
        command = (sys.executable, "-m", "ecrnn", "pull", "ada/flowers", "-o", "again", "--endpoint", hub.endpoint)
        alone = subprocess.run(
            [*command, "--json"], capture_output=True, text=True, check=False
        )  # nothing is loaded yet
        assert (alone.returncode, alone.stderr) == (0, "")
        assert json.loads(alone.stdout) == {"repository": "ada/flowers", "bundle": "again"}
        card = hub.commits["ada/flowers"][0]["README.md"].decode()
        assert "| Accuracy | **" in card
        hub.commits["ada/flowers"][0]["README.md"] = card.replace("| Accuracy | **", "| Accuracy | **1").encode()
        done = call("pull", "ada/flowers", "-o", "praised", "--endpoint", hub.endpoint)
        assert "praised: README.md has Accuracy 1" in done.err
        assert "it is the card of another bundle, or was changed" in done.err
        description = json.loads(hub.commits["ada/flowers"][0]["bundle.json"])
        monkeypatch.setattr("ecrnn.serving.hub._check", lambda *_: None)
        del description["digest"]
        hub.commits["ada/flowers"][0]["bundle.json"] = json.dumps(seal({**description, "task": "next-token"})).encode()
        done = call("pull", "ada/flowers", "-o", "writer", "--endpoint", hub.endpoint)
        assert done.out == "ada/flowers in writer; use it: ecrnn generate writer --prompt 'Once'\n"
    assert call("predict", "again", images, "--json").out == call("predict", bundle, images, "--json").out
    done = call("pull", "flowers")
    assert (done.status, done.err.count("\n")) == (2, 1)
    assert "a repository is OWNER/NAME" in done.err
