"""What Prometheus's own parser reads."""

from __future__ import annotations

from prometheus_client.parser import text_string_to_metric_families

from ecrnn.serving.http.counters import Counters


def test_prometheus_reads_it() -> None:
    counters = Counters()
    for status, seconds in ((200, 0.004), (200, 0.3), (422, 20.0)):
        counters.request("/predict", status, seconds)
    counters.batch(3, 0.01)
    counters.batch(200, 0.02)
    found = {family.name: family for family in text_string_to_metric_families(counters.text(5))}
    assert {tuple(s.labels.values()): s.value for s in found["ecrnn_requests"].samples} == {
        ("/predict", "200"): 2,
        ("/predict", "422"): 1,
    }
    assert found["ecrnn_waiting_images"].samples[0].value == 5
    seconds = {s.labels.get("le", s.name): s.value for s in found["ecrnn_request_seconds"].samples}
    assert (seconds["0.005"], seconds["0.25"], seconds["0.5"], seconds["10.0"], seconds["+Inf"]) == (1, 1, 2, 2, 3)
    assert seconds["ecrnn_request_seconds_count"] == 3
    assert seconds["ecrnn_request_seconds_sum"] == 20.304
    images = {s.labels.get("le", s.name): s.value for s in found["ecrnn_batch_images"].samples}
    assert (images["2"], images["4"], images["128"], images["+Inf"]) == (0, 1, 1, 2)
