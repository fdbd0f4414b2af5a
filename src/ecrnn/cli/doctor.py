"""`ecrnn doctor`: what this installation can do."""

from __future__ import annotations

from ecrnn.cli import options
from ecrnn.cli.output import say, say_json

EXAMPLE = "Example: ecrnn doctor --json"


def doctor(as_json: options.Json = False) -> int:
    """Say what this installation can do and what would make it do more; the status is 1 if something is broken."""
    from ecrnn.bench.doctor import examine

    findings = examine()
    if as_json:
        import dataclasses

        say_json({"findings": [dataclasses.asdict(one) for one in findings]})
    else:
        width = max(len(one.what) for one in findings)
        for one in findings:
            sign = f"[{one.state}]"
            say(f"{sign:<10}{one.what:<{width}}  {one.sentence}")
    return 1 if any(one.state == "broken" for one in findings) else 0
