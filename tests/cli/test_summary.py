"""`ecrnn summary`."""

from __future__ import annotations

import json
from typing import Any

from ecrnn.models.registry import build


def test_the_table_has_every_layer_and_the_total(call: Any) -> None:
    done = call("summary", "ecrnn-bilstm-16", "--image", "1x16x16", "--classes", "7")
    assert done.status == 0
    assert "ecrnn-bilstm-16, 1x16x16, 7 classes" in done.out
    model = build("ecrnn-bilstm-16", (1, 16, 16), 7)
    trained = sum(parameter.numel() for parameter in model.parameters())
    assert f"{trained:,} parameters are trained" in done.out
    assert done.err == ""


def test_json_is_the_same_as_data(call: Any) -> None:
    done = call("summary", "crnn-gru-8@rows", "--image", "3×16x24", "--classes", "3", "--json")
    assert done.status == 0
    found = json.loads(done.out)
    model = build("crnn-gru-8@rows", (3, 16, 24), 3)
    assert found["image"] == [3, 16, 24]
    assert found["trainable"] == sum(parameter.numel() for parameter in model.parameters())
    assert sum(row["parameters"] for row in found["rows"]) == found["parameters"]
