"""`ecrnn doctor`: one line a finding, the same as JSON, and the status."""

from __future__ import annotations

import json
from typing import Any

import pytest

from ecrnn.bench.doctor import Finding, examine


def test_it_says_what_is_here(call: Any) -> None:
    done = call("doctor")
    findings = examine()
    assert done.status == (1 if any(one.state == "broken" for one in findings) else 0)
    lines = done.out.splitlines()
    assert [line.split("]")[0] + "]" for line in lines] == [f"[{one.state}]" for one in findings]
    assert done.err == ""
    told = json.loads(call("doctor", "--json").out)["findings"]
    assert [one["what"] for one in told] == [one.what for one in findings]


@pytest.mark.parametrize(("state", "status"), [("good", 0), ("limited", 0), ("broken", 1)])
def test_the_status_is_1_only_where_something_is_broken(
    call: Any, monkeypatch: pytest.MonkeyPatch, state: Any, status: int
) -> None:
    findings = [Finding("one", "good", "is well"), Finding("the other", state, "is so")]
    monkeypatch.setattr("ecrnn.bench.doctor.examine", lambda: findings)
    done = call("doctor")
    assert done.status == status
    assert done.out == f"[good]    one        is well\n{f'[{state}]':<10}the other  is so\n"
    assert call("doctor", "--json").status == status
