"""The Triton layers against cuDNN's on an NVIDIA card, and eight trials in one launch against one.

First the kernels are checked against the float64 oracle; nothing is measured when they are wrong. Then each round times
every variant once, by CUDA events: forward and backward, with the gradient of the input, called from Python ("eager")
and replayed from a CUDA graph. Medians, quartiles and ratios are printed, as a table and with --json as one object.

    python benchmarks/gpu.py --cell lstm --hidden 16 --steps 1024 --batch 128
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
from collections.abc import Callable

import torch

from ecrnn.recurrence import GRU, LSTM, RNN, checking, gpu

Run = Callable[[], object]

OURS = {"lstm": LSTM, "gru": GRU, "rnn_tanh": RNN}
STOCK = {"lstm": torch.nn.LSTM, "gru": torch.nn.GRU, "rnn_tanh": torch.nn.RNN}
TRIALS = 8


def cudnn(run: Run, tf32: bool) -> Run:
    """``run`` with cuDNN's matrix products in TF32, as is torch's default, or in float32."""

    def with_setting() -> object:
        before = torch.backends.cudnn.allow_tf32
        torch.backends.cudnn.allow_tf32 = tf32
        try:
            return run()
        finally:
            torch.backends.cudnn.allow_tf32 = before

    return with_setting


def pass_of(layer: torch.nn.Module, x: torch.Tensor, whole_output: bool) -> Run:
    """Forward and backward from a gradient at the last h, or at all outputs."""
    inputs = [x, *(p for p in layer.parameters() if p.requires_grad)]
    output, last = layer(x)
    h_n = last[0] if isinstance(last, tuple) else last
    cotangent = torch.randn_like(output if whole_output else h_n)

    def run() -> object:
        output, last = layer(x)
        h_n = last[0] if isinstance(last, tuple) else last
        return torch.autograd.grad(output if whole_output else h_n, inputs, cotangent)

    return run


def layers(args: argparse.Namespace) -> dict[str, Run]:
    """Every variant of one layer."""
    x = torch.randn(args.batch, args.steps, args.input, device="cuda", requires_grad=True)
    sizes = {"batch_first": True, "bidirectional": args.directions == 2, "device": "cuda"}
    stock = STOCK[args.cell](args.input, args.hidden, **sizes)
    runs = {}
    for what, whole_output in (("last", False), ("outputs", True)):
        by_stock = pass_of(stock, x, whole_output)
        runs[f"cudnn tf32, {what}"], runs[f"cudnn float32, {what}"] = cudnn(by_stock, True), cudnn(by_stock, False)
        for name, cutoff in (("full", 0.0), ("adaptive", 1e-8)):
            ours = OURS[args.cell](args.input, args.hidden, **sizes, backend="triton", cutoff=cutoff)
            ours.load_state_dict(stock.state_dict())
            runs[f"ours {name}, {what}"] = pass_of(ours, x, whole_output)
    return runs


def trials(args: argparse.Namespace) -> dict[str, Run]:
    """One trial and several in one launch, forward and full backward from a gradient at the last h."""

    def together(number: int) -> Run:
        layers = [OURS[args.cell](args.input, args.hidden, bidirectional=args.directions == 2) for _ in range(number)]
        weights = [[p.detach().cuda() for p in layer.parameters()] for layer in layers]
        x = torch.randn(number, args.batch, args.steps, args.input, device="cuda")
        h_0, d_h_n = (torch.randn(number, args.directions, args.batch, args.hidden, device="cuda") for _ in range(2))
        c_0 = torch.zeros_like(h_0) if args.cell == "lstm" else None

        def run() -> object:
            saved = gpu.forward_trials(args.cell, x, weights, h_0, c_0, None, False, True)[3]
            arguments = (args.cell, x, weights, h_0, c_0, None, saved, None, d_h_n, None)
            return gpu.backward_trials(*arguments, True, False, 0.0)

        return run

    return {"1 trial": together(1), f"{TRIALS} trials": together(TRIALS)}


def graphed(run: Run) -> Run:
    """``run`` captured as a CUDA graph."""
    side = torch.cuda.Stream()
    side.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(side):
        for _ in range(3):
            run()
    torch.cuda.current_stream().wait_stream(side)
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        kept = run()

    def replay() -> object:
        graph.replay()
        return kept

    return replay


def milliseconds(run: Run) -> float:
    start, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))
    torch.cuda.synchronize()
    start.record()
    run()
    end.record()
    end.synchronize()
    return start.elapsed_time(end)


def measure(runs: dict[str, Run], rounds: int) -> dict[str, list[float]]:
    """Milliseconds of each variant, a number a round, after three rounds that do not count."""
    times: dict[str, list[float]] = {name: [] for name in runs}
    for counted in range(-3, rounds):
        for name, run in runs.items():
            taken = milliseconds(run)
            if counted >= 0:
                times[name].append(taken)
    return times


def check(args: argparse.Namespace) -> None:
    """Raise ``checking.Wrong`` unless our layer computes what the oracle does, at this size and at awkward ones."""
    sizes = {"batch_first": True, "bidirectional": args.directions == 2, "device": "cuda"}
    layer = OURS[args.cell](args.input, args.hidden, **sizes, backend="triton")
    case = checking.Case(args.cell, args.hidden, args.steps, min(args.batch, 17), args.input, 1, args.directions)
    for each in (*checking.awkward(case), case):
        checking.check(layer, each)


def report(args: argparse.Namespace) -> dict[str, object]:
    runs = layers(args)
    both = {f"{name}, eager": run for name, run in runs.items()}
    both |= {f"{name}, graph": graphed(run) for name, run in runs.items()}
    both |= {f"{name}, graph": graphed(run) for name, run in trials(args).items()}
    times = measure(both, args.rounds)
    medians = {name: statistics.median(t) for name, t in times.items()}
    found: dict[str, object] = {
        "device": torch.cuda.get_device_name(),
        "torch": torch.__version__,
        "cudnn": torch.backends.cudnn.version(),
        "settings": vars(args),
        "ms": {name: statistics.quantiles(t, n=4) for name, t in times.items()},
        f"ratio_{TRIALS}_trials_to_one": medians[f"{TRIALS} trials, graph"] / medians["1 trial, graph"],
    }
    for how in ("eager", "graph"):
        for what in ("last", "outputs"):
            for name in ("full", "adaptive"):
                for other in ("cudnn tf32", "cudnn float32"):
                    ratio = medians[f"{other}, {what}, {how}"] / medians[f"ours {name}, {what}, {how}"]
                    found[f"ratio_{other}_to_{name}_{what}_{how}".replace(" ", "_")] = ratio
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cell", choices=OURS, default="lstm")
    for name, default in (("hidden", 16), ("steps", 1024), ("batch", 128), ("input", 1), ("rounds", 50)):
        parser.add_argument(f"--{name}", type=int, default=default)
    parser.add_argument("--directions", type=int, choices=(1, 2), default=1)
    parser.add_argument("--json", action="store_true", help="print one JSON object instead of a table")
    args = parser.parse_args()
    if not torch.cuda.is_available():
        sys.exit("benchmarks/gpu.py: there is no GPU here")
    torch.manual_seed(0)
    check(args)
    found = report(args)
    if args.json:
        print(json.dumps(found, indent=2))
        return
    for name, quartiles in found["ms"].items():  # type: ignore[attr-defined]
        print(f"{name:32} {quartiles[1]:8.3f} ms  ({quartiles[0]:.3f} to {quartiles[2]:.3f})")
    for name, value in found.items():
        if name.startswith("ratio_"):
            print(f"{name:52} {value:6.2f}")


if __name__ == "__main__":
    main()
