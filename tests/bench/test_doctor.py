"""bench/doctor: what is found where something is missing, limited or broken."""

from __future__ import annotations

import os
from collections import namedtuple
from importlib import import_module
from pathlib import Path

import pytest
import torch

from ecrnn.bench import doctor
from ecrnn.bench.doctor import Finding, examine

cpu = import_module("ecrnn.recurrence.cpu")


def found(what: str, findings: list[Finding] | None = None) -> Finding:
    return next(one for one in findings or examine() if one.what == what)


@pytest.fixture
def right(monkeypatch: pytest.MonkeyPatch) -> None:
    """The kernels are there and right, whatever is here."""
    monkeypatch.setattr(cpu, "available", lambda: True)
    monkeypatch.setattr(cpu, "instructions", lambda: ["avx512", "avx2", "portable"])
    monkeypatch.setattr(doctor, "_fault", lambda backend, device: None)


def test_everything_is_looked_at_once(right: None) -> None:
    findings = examine()
    whats = [one.what for one in findings]
    assert len(set(whats)) == len(whats)
    assert whats[:4] == ["versions", "processor", "recurrence, C++", "bfloat16"]
    assert {"GPU", "onnx", "Keras on TensorFlow", "data cache", "memory"} <= set(whats)
    assert torch.__version__ in found("versions", findings).sentence
    assert all("\n" not in one.sentence for one in findings)


def test_kernels_that_are_right(right: None) -> None:
    assert found("recurrence, C++") == Finding(
        "recurrence, C++", "good", "built and right, computes with avx512 instructions"
    )


def test_no_kernels_without_a_compiler(right: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cpu, "available", lambda: False)
    finding = found("recurrence, C++")
    assert finding.state == "limited"
    assert "no C++ compiler at installation" in finding.sentence
    assert "pip install" in finding.sentence


def test_kernels_that_cannot_be_loaded(right: None, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken() -> bool:
        raise ImportError("libgomp.so.1: cannot open shared object file\nmore")

    monkeypatch.setattr(cpu, "available", broken)
    finding = found("recurrence, C++")
    assert finding.state == "broken"
    assert finding.sentence.endswith("cannot be loaded: libgomp.so.1: cannot open shared object file")


def test_kernels_for_an_old_processor(right: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cpu, "instructions", lambda: ["portable"])
    for machine, state in (("x86_64", "limited"), ("aarch64", "good")):
        monkeypatch.setattr(doctor.platform, "machine", lambda machine=machine: machine)
        assert found("recurrence, C++").state == state


def test_wrong_kernels_are_broken(right: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doctor, "_fault", lambda backend, device: "lstm: output is off")
    finding = found("recurrence, C++")
    assert (finding.state, finding.sentence) == (
        "broken",
        "the kernels compute wrong results here: lstm: output is off",
    )


def test_the_self_check_runs_every_cell(monkeypatch: pytest.MonkeyPatch) -> None:
    cells = set()

    def check(layer: object, case: tuple) -> None:
        cells.add(case[0])
        if case[0] == "rnn_relu":
            raise RuntimeError("first line\nsecond line")

    assert doctor._fault("torch", "cpu") is None
    assert str(doctor._fault("tirton", "cpu")).startswith("unknown backend 'tirton'")
    monkeypatch.setattr("ecrnn.recurrence.checking.check", check)
    assert doctor._fault("torch", "cpu") == "first line"
    assert cells == {"lstm", "gru", "rnn_tanh", "rnn_relu"}


def test_gpus(right: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert found("GPU").state == "limited"
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda device: "Some GPU")
    monkeypatch.setattr(doctor, "find_spec", lambda package: None)
    findings = list(doctor._gpu())
    assert "Some GPU" in findings[0].sentence
    assert findings[1].state == "limited"
    assert "pip install triton" in findings[1].sentence
    monkeypatch.setattr(doctor, "find_spec", lambda package: package)
    monkeypatch.setattr(doctor.metadata, "version", lambda package: "9.9")
    assert list(doctor._gpu())[1].sentence == "triton 9.9, the kernels are right"
    monkeypatch.setattr(doctor, "_fault", lambda backend, device: f"{backend} on {device}")
    assert list(doctor._gpu())[1].state == "broken"
    assert list(doctor._gpu())[1].sentence.endswith("triton on cuda")


@pytest.mark.parametrize(("precision", "state"), [("bfloat16", "good"), ("float32", "limited")])
def test_bfloat16(right: None, monkeypatch: pytest.MonkeyPatch, precision: str, state: str) -> None:
    monkeypatch.setattr(doctor, "resolve_precision", lambda *given: precision)
    assert found("bfloat16").state == state


def test_more_threads_than_cores(right: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch, "get_num_threads", lambda: 3)
    for cores, state in ((3, "good"), (1, "limited")):
        monkeypatch.setattr(doctor, "available_cores", lambda cores=cores: cores)
        assert found("processor").state == state
    assert found("processor").sentence.startswith("1 core for this process, torch computes with 3 threads: more")


def test_optional_packages(right: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doctor, "find_spec", lambda package: None if package == "onnxscript" else package)
    assert found("onnx").state == "limited"
    assert found("onnx").sentence.startswith("not installed (onnxscript); ")
    assert found("Keras on TensorFlow").state == "good"


def test_the_data_cache(right: None, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("ECRNN_CACHE", str(tmp_path / "new" / "cache"))
    finding = found("data cache")
    assert finding.state == "good"
    assert finding.sentence.startswith(f"{tmp_path}/new/cache can be written, ")
    assert not (tmp_path / "new").exists()  # looking changes nothing
    usage = namedtuple("usage", "free")
    monkeypatch.setattr(doctor.shutil, "disk_usage", lambda place: usage(2**29))
    assert found("data cache").state == "limited"
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("ECRNN_CACHE", str(tmp_path / "file"))
    assert "cannot be written" in found("data cache").sentence
    monkeypatch.setattr(os, "access", lambda place, how: False)
    monkeypatch.setenv("ECRNN_CACHE", str(tmp_path / "closed"))
    assert found("data cache").state == "limited"
    assert "ECRNN_CACHE" in found("data cache").sentence


def test_memory(right: None, monkeypatch: pytest.MonkeyPatch) -> None:
    for free, state in ((2**31, "good"), (2**29, "limited")):
        monkeypatch.setattr("ecrnn.bench.recurrence.available_bytes", lambda free=free: free)
        assert found("memory").state == state
