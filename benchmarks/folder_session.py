"""From a folder of images to a model in use: every command in order, with times and figures, restartable.

    python benchmarks/folder_session.py photos/ --model ecrnn-bilstm-16 --image-size 64 --epochs 30 -o session

A fifth of each class is held out, every fifth file in the order of the names, and seen by no training. Then, with the
`ecrnn` that is installed beside this Python: check, train, train again from a bundle (--from), evaluate, predict,
explain, export, serve. What is finished is not done again; a training that was stopped goes on. `session.md` in the
folder says what was run, how long it took and what came of it; beside it lie the pages.
"""

from __future__ import annotations

import argparse
import csv
import json
import os
import shlex
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

ECRNN = str(Path(sys.executable).with_name("ecrnn"))
SUFFIXES = {".bmp", ".gif", ".jpeg", ".jpg", ".png", ".tif", ".tiff", ".webp"}
HELD_OUT = 5  # one image of so many
SERVED = 20  # images that are sent to the server


class Session:
    """The folder of a session: what was run, and what came of it.

    Args:
        folder: where everything goes.
    """

    def __init__(self, folder: Path) -> None:
        self.folder, self.path = folder, folder / "session.json"
        folder.mkdir(parents=True, exist_ok=True)
        self.steps: dict[str, dict[str, Any]] = json.loads(self.path.read_text()) if self.path.exists() else {}

    def step(
        self, name: str, words: Sequence[object], say: Callable[[str], str], *, statuses: Sequence[int] = (0,)
    ) -> None:
        """Run a command, unless it was run before with the same words.

        Args:
            name: of the step.
            words: of the command, without "ecrnn".
            say: from its standard output to what came of it.
            statuses: that it may leave with.
        """
        command = [ECRNN, *map(str, words)]
        shown = " ".join(["ecrnn", *command[1:]])
        if self.steps.get(name, {}).get("command") == shown:
            print(f"{name}: done before", flush=True)
            return
        print(f"{name}: {shown}", flush=True)
        begun = time.monotonic()
        done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=False)
        if done.returncode not in statuses:
            sys.exit(f"{name} left with status {done.returncode}")
        self.keep(name, shown, time.monotonic() - begun, say(done.stdout))

    def keep(self, name: str, command: str, seconds: float, found: str) -> None:
        """Write down what came of a step."""
        before = self.steps.get(name, {})
        if before.get("command") == command:  # a training that goes on
            seconds += before["seconds"]
        self.steps[name] = {"command": command, "seconds": round(seconds, 1), "found": found}
        self.path.write_text(json.dumps(self.steps, indent=1) + "\n")
        rows = [
            f"| {key} | {one['seconds']:.0f} s | {one['found']} | `{one['command']}` |"
            for key, one in self.steps.items()
        ]
        (self.folder / "session.md").write_text(
            "\n".join(["| step | time | found | command |", "|---|---|---|---|", *rows, ""])
        )
        print(f"{name}: {found} ({seconds:.0f} s)", flush=True)


def hold_out(data: Path, folder: Path) -> tuple[Path, Path]:
    """Two folders of links to the images of ``data``: those that train and validate, and those held out."""
    known, held_out = folder / "images", folder / "held-out"
    for place in sorted(path for path in data.iterdir() if path.is_dir() and not path.name.startswith(".")):
        files = sorted(path for path in place.rglob("*") if path.suffix.lower() in SUFFIXES)
        for number, file in enumerate(files):
            link = (held_out if number % HELD_OUT == HELD_OUT - 1 else known) / place.name / f"{number:06}-{file.name}"
            link.parent.mkdir(parents=True, exist_ok=True)
            if not link.is_symlink():
                link.symlink_to(file.resolve())
    return known, held_out


def checked(text: str) -> str:
    found = json.loads(text)
    counts = ", ".join(f"{n} {kind}" for kind, n in found["counts"].items()) or "nothing"
    return f"{found['readable']:,} of {found['files']:,} images can be read; found: {counts}"


def trained(text: str) -> str:
    found = json.loads(text)
    of_test = found.get("test")
    held_out = f"{100 * of_test['accuracy']:.2f} % of {of_test['n']} held out; " if of_test else ""
    validation = f"{100 * found['accuracy']:.2f} % of {found['n_validation']} validation images"
    return f"{held_out}{validation}, {found['epochs']} epochs"


def evaluated(text: str) -> str:
    found = json.loads(text)
    interval = found["accuracy"]
    return (
        f"{100 * interval['estimate']:.2f} % of {found['n']} held out ({100 * interval['low']:.2f} to "
        f"{100 * interval['high']:.2f}), macro F1 {100 * found['averages']['macro_f1']['estimate']:.2f}"
    )


def serve(session: Session, bundle: Path, files: Sequence[Path], predictions: Path, port: int) -> None:
    """Start the server, ask it about ``files``, compare its answers with those of `ecrnn predict`, and stop it."""
    words = ["ecrnn", "serve", str(bundle), "--port", str(port)]
    with predictions.open(encoding="utf-8", newline="") as file:
        said = {row["file"]: row["prediction"] for row in csv.DictReader(file)}
    begun, address = time.monotonic(), f"http://127.0.0.1:{port}"
    with subprocess.Popen([ECRNN, *words[1:]], stderr=subprocess.DEVNULL) as process:
        try:
            while not _answers(f"{address}/ready"):
                if process.poll() is not None or time.monotonic() - begun > 120:
                    sys.exit("serve: the server does not get ready")
                time.sleep(0.2)
            ready, same, times = time.monotonic() - begun, 0, []
            for path in files:
                request = urllib.request.Request(f"{address}/predict", path.read_bytes(), {"Content-Type": _kind(path)})
                asked = time.monotonic()
                with urllib.request.urlopen(request, timeout=60) as answer:
                    same += json.load(answer)["class"] == said[str(path)]
                times.append(time.monotonic() - asked)
        finally:
            process.send_signal(signal.SIGTERM)
        status = process.wait(timeout=60)
    median = 1000 * sorted(times)[len(times) // 2]
    answers = f"{same} of {len(files)} answers as of predict, {median:.0f} ms each"
    found = f"ready after {ready:.1f} s; {answers}; stopped with status {status}"
    session.keep("serve", " ".join(words), time.monotonic() - begun, found)


def _answers(address: str) -> bool:
    try:
        with urllib.request.urlopen(address, timeout=5) as answer:
            return bool(answer.status == 200)
    except (urllib.error.URLError, OSError):
        return False


def _kind(path: Path) -> str:
    suffix = path.suffix.lower().removeprefix(".")
    return f"image/{ {'jpg': 'jpeg', 'tif': 'tiff'}.get(suffix, suffix) }"


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("data", type=Path, help="Folder with one sub-folder of images per class.")
    parser.add_argument("-o", "--out", type=Path, default=Path("session"), help="Folder for all that is made.")
    parser.add_argument("--model", default="ecrnn-plus", help="Model that is trained.")
    parser.add_argument("--image-size", type=int, default=64, help="Height and width of the images, in pixels.")
    parser.add_argument("--epochs", type=int, help="Number of epochs. Default: the model's.")
    parser.add_argument("--from", dest="start", help="Bundle for a second training that starts from it.")
    parser.add_argument(
        "--train", default="", help="Further options of train, as in '--augment flip,crop --threads 1'."
    )
    parser.add_argument("--runtime", help="ONNX Runtime Web for the page, a folder. Default: no page is exported.")
    parser.add_argument("--port", type=int, default=8731, help="Port of the server.")
    words = parser.parse_args()

    session = Session(words.out)
    known, held_out = hold_out(words.data, words.out)
    out = words.out
    session.step("check", ["check", known, "-o", out / "check", "--json"], checked)
    more = ["--test", held_out, "--resume", "--json", *shlex.split(words.train)]
    more += [] if words.epochs is None else ["--epochs", words.epochs]
    sized = ["--model", words.model, "--image-size", words.image_size]
    session.step("train", ["train", known, *sized, *more, "-o", out / "model"], trained)
    if words.start:
        session.step("fine-tune", ["train", known, "--from", words.start, *more, "-o", out / "fine-tuned"], trained)
    bundle = out / "model"
    session.step("evaluate", ["evaluate", bundle, held_out, "-o", out / "evaluation", "--json"], evaluated)
    answers = out / "predictions.csv"
    session.step("predict", ["predict", bundle, held_out, "-o", answers], lambda text: text.strip().splitlines()[-1])
    files = sorted(path for path in held_out.rglob("*") if path.is_file())
    some = files[:: max(1, len(files) // 3)][:3]
    session.step(
        "explain", ["explain", bundle, *some, "-o", out / "explanation.html"], lambda text: f"{len(some)} images"
    )
    session.step(
        "export",
        ["export", bundle, "--to", "onnx", "-o", out / "model.onnx"],
        lambda text: text.strip().splitlines()[-1],
    )
    if words.runtime:
        page = ["export", bundle, "--to", "page", "--runtime", words.runtime, "-o", out / "model.html"]
        session.step("page", page, lambda text: text.strip().splitlines()[-1])
    serve(session, bundle, files[:: max(1, len(files) // SERVED)][:SERVED], answers, words.port)


if __name__ == "__main__":
    os.environ.setdefault("PYTHONUNBUFFERED", "1")
    main()
