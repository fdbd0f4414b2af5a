"""What `ecrnn evaluate` says of models without classes; of those with classes see the tests of the report."""

from __future__ import annotations

import base64
import io
import json
import math
import re
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from core.lines import one_line
from PIL import Image
from sacrebleu.metrics.bleu import BLEU as SacreBLEU  # noqa: N811 a class
from tiny_tasks import TINY, untrained

from ecrnn.cli.evaluate import show
from ecrnn.core.errors import EcrnnError
from ecrnn.models.scoring import bleu_of_translations, whole_texts, word_edits
from ecrnn.serving import examples
from ecrnn.serving.evaluation import Judgement
from ecrnn.serving.predictor import Judged
from ecrnn.stats import BLEU, WER, WHOLE, wilson
from ecrnn.tasks.translation.predictor import sacrebleu

WRITTEN = ["a red dog runs home quickly", "the blue cats sit, here.", "The blue cat sat on it", ""]
TARGETS = ["a red dog runs home now", "the blue cats sit , there", "the blue cat sat on it.", "nothing"]


def evaluated(
    task: str, folder: Path, capsys: pytest.CaptureFixture[str], n: int = 5
) -> tuple[dict[str, Any], Any, Any]:
    """What is said as JSON, and written to ``folder`` / out, of an untrained model on its first ``n`` examples."""
    model, data = untrained(task, folder)
    index = np.arange(n)
    judgement = Judgement(data, index, model.judge(data, index), "the first")
    show(model, judgement, "tiny", folder / "out", as_json=True)
    out = capsys.readouterr().out
    assert (folder / "out" / "evaluation.json").read_text() == out
    return json.loads(out), judgement, model


def test_sacrebleu_agrees_and_signs() -> None:
    shown = sacrebleu(WRITTEN, TARGETS)
    ours = BLEU.value(bleu_of_translations(WRITTEN, [[target] for target in TARGETS]))
    figure, signature = shown.split()
    assert figure == f"{100 * ours:.2f}"
    assert 20 < float(figure) < 90
    assert re.fullmatch(r"nrefs:1\|case:mixed\|eff:no\|tok:13a\|smooth:exp\|version:[\d.]+", signature)
    assert SacreBLEU().corpus_score(WRITTEN, [TARGETS]).score == pytest.approx(100 * ours, rel=1e-9)


def test_sacrebleu_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "sacrebleu.metrics.bleu", None)
    with one_line(EcrnnError, "needs the package sacrebleu; pip install 'ecrnn[text]'"):
        sacrebleu(WRITTEN, TARGETS)


def test_translations(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    found, judgement, model = evaluated("translation", tmp_path, capsys)
    data, written = judgement.data, judgement.judged.written
    assert found["facts"] == {"Search": "greedy", "sacreBLEU": sacrebleu(written, list(data.targets[:5]))}
    assert found["figures"]["bleu"]["estimate"] == BLEU.value(judgement.judged.predictions.statistics)
    assert [(e["input"], e["expected"], e["given"]) for e in found["examples"]] == [
        (data.sources[k], [data.targets[k]], written[k]) for k in range(5)
    ]
    model.search(4)
    show(model, judgement, "tiny", None, as_json=True)
    assert json.loads(capsys.readouterr().out)["facts"]["Search"] == "beam search with 4 hypotheses"


def test_captions_beside_their_images(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    found, judgement, _ = evaluated("captioning", tmp_path, capsys)
    assert list(found["figures"]) == ["bleu", "bleu_1", "bleu_2", "bleu_3"]
    assert [e["expected"] for e in found["examples"]] == [list(captions) for captions in judgement.data.captions[:5]]
    page = (tmp_path / "out" / "evaluation.html").read_text()
    images = [base64.b64decode(uri) for uri in re.findall(r'src="data:image/png;base64,([^"]*)"', page)]
    assert len(images) == 5
    for png, image in zip(images, judgement.data.images, strict=False):
        np.testing.assert_array_equal(np.asarray(Image.open(io.BytesIO(png))), image)


def test_lines_of_text(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    model, data = untrained("transcription", tmp_path)
    index, texts = np.arange(4), [*data.texts[:2], "0 a", data.texts[3]]
    written = [texts[0], texts[1][:-1], "0 b c", texts[3] + "a"]
    judged = Judged(model.judge(data, index).predictions, written)
    changed = replace(data, texts=(*texts, *data.texts[4:]))
    show(model, Judgement(changed, index, judged, ""), "tiny", None, as_json=True)
    found = json.loads(capsys.readouterr().out)
    assert list(found["figures"]) == ["cer", "wer", "whole"]
    assert found["figures"]["wer"]["estimate"] == 4 / 5
    whole = wilson(1, 4)
    assert [found["figures"]["whole"][key] for key in ("estimate", "low", "high")] == [0.25, whole.low, whole.high]
    assert [e["given"] for e in found["examples"]] == written
    statistics = judged.predictions.statistics
    assert [e["cer"] for e in found["examples"]] == [edits / length for edits, length in statistics]
    assert WER.value(word_edits(written, texts)) == 4 / 5
    assert WHOLE.value(whole_texts(written, texts)) == 1 / 4


def test_blocks_in_bits_and_nats(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    found, judgement, model = evaluated("next-token", tmp_path, capsys, n=20)
    bits, nats = (found["figures"][name]["estimate"] for name in ("bits", "nats"))
    assert nats == pytest.approx(bits * math.log(2))
    sums = judgement.judged.predictions.statistics.sum(axis=0)
    assert nats == pytest.approx(sums[0] / sums[1])
    assert len(found["examples"]) == examples.TEXTS
    first, last = found["examples"][0], found["examples"][-1]
    assert first["input"] + first["expected"][0] == judgement.data.block(0)
    assert last["input"] + last["expected"][0] == judgement.data.block(19)
    drawn = model.generate(first["input"], len(first["expected"][0]), temperature=0.8, seed=0)
    assert first["given"] == "".join(drawn)


def test_on_a_terminal(call: Any, tmp_path: Path) -> None:
    tiny = TINY["transcription"]
    data = tiny.write(tmp_path)
    assert call("train", data, "--model", tiny.model, *tiny.options, "-o", tmp_path / "b").status == 0
    done = call(
        "evaluate", tmp_path / "b", data, "--part", "all", "--beam", 2, "--out", tmp_path / "out", "--lang", "ko"
    )
    assert (done.status, done.err) == (0, "")
    for part in ("ocr-gru-8 on 20 images of lines: ", "Search: beam search with 2 hypotheses"):
        assert part in " ".join(done.out.split())
    assert done.out.endswith(f"Page: {tmp_path / 'out' / 'evaluation.html'}\n")
    assert "Whole texts right" in done.out
    assert '<html lang="ko">' in (tmp_path / "out" / "evaluation.html").read_text(encoding="utf-8")
