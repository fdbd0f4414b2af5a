"""bench/checks: a layer is compared with the oracle before it is measured, at what will be measured."""

from __future__ import annotations

import pytest
from torch import nn

from ecrnn.bench import checks
from ecrnn.bench.settings import CELLS
from ecrnn.bench.settings import RecurrenceSettings as Settings
from ecrnn.core.errors import UnknownNameError
from ecrnn.models.names import parse
from ecrnn.recurrence.checking import Wrong


@pytest.mark.parametrize("cell", CELLS)
@pytest.mark.parametrize(("layers", "directions"), [(1, 1), (2, 2)])
def test_ours_and_stock_are_the_same_layer(cell: str, layers: int, directions: int) -> None:
    settings = Settings(cell, 3, 4, 2, 2, layers, directions, backend="torch", cutoff=0.25)
    ours, stock = checks.layer("ecrnn", settings), checks.layer("stock", settings)
    assert (ours.backend, ours.cutoff) == ("torch", 0.25)
    assert type(stock) in (nn.LSTM, nn.GRU, nn.RNN)
    assert type(ours).__module__ == "ecrnn.recurrence.modules"
    assert (stock.mode, stock.num_layers, stock.bidirectional) == (cell.upper(), layers, directions == 2)
    assert {name: w.tolist() for name, w in ours.state_dict().items()} == {
        name: w.tolist() for name, w in stock.state_dict().items()
    }


def test_the_measured_shape_is_checked_whole_or_as_much_as_the_oracle_can(monkeypatch: pytest.MonkeyPatch) -> None:
    cases: list = []
    monkeypatch.setattr(checks, "check", lambda layer, case, precision: cases.append(case))
    checks.check_first(Settings(steps=1024, batch=128), "reference")
    assert (cases[0].steps, cases[0].batch) == (1024, 128)
    checks.check_first(Settings(hidden=512, steps=4096, batch=128, input=512), "reference")
    assert cases[5].hidden == cases[5].input == 512
    assert cases[5].batch == 1
    assert 100 <= cases[5].steps < 4096


def test_where_torch_serves_our_layer_has_its_bits(monkeypatch: pytest.MonkeyPatch) -> None:
    """Torch's own rounding may be outside the table, as with one step of 512 inputs."""
    from ecrnn.recurrence import LSTM

    wide = Settings(hidden=8, steps=1, batch=256, input=512)
    assert checks.check_first(wide, "torch") == 5

    def wrong(self, input, hx=None, **options):  # type: ignore[no-untyped-def]
        output, (h, c) = nn.LSTM.forward(self, input, hx)
        return output, (h * (1 + 2.0**-23), c)

    monkeypatch.setattr(LSTM, "forward", wrong)
    with pytest.raises(Wrong, match="lstm, 8 nodes, 1 steps, batch 256, input 512: "):
        checks.check_first(wide, "torch")


def test_what_serves_is_asked_with_the_measured_shape() -> None:
    verdicts = checks.served(Settings(backend="reference"), 1)
    assert [v.backend for v in verdicts if v.chosen] == [verdicts[0].backend] == ["reference"]
    with pytest.raises(UnknownNameError, match="unknown backend 'torhc', did you mean 'torch'"):
        checks.served(Settings(backend="torhc"), 1)
    with pytest.raises(UnknownNameError, match="unknown cell 'ltsm', did you mean 'lstm'"):
        Settings("ltsm")


def test_layers_are_checked_with_what_they_read(monkeypatch: pytest.MonkeyPatch) -> None:
    cases = []
    monkeypatch.setattr(checks, "check_first", lambda settings, backend: cases.append(settings.case) or 5)
    found = checks.check_recurrence(parse("crnn-bigru-8-4"), 16, 1)
    assert [str(case) for case in cases] == [
        "gru, 8 nodes, both directions, 1024 steps, batch 16, input 1",
        "gru, 4 nodes, both directions, 1024 steps, batch 16, input 16",
    ]
    assert found["checked_shapes"] == 10
    assert checks.check_recurrence(parse("cnn"), 16, 1) == {"served": [], "checked_shapes": 0}
