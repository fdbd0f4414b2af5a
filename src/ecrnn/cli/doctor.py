"""`ecrnn doctor`: what this installation can do."""

from __future__ import annotations

import typer

from ecrnn.cli import options

EXAMPLE = "Example: ecrnn doctor --json"


def doctor(json: options.Json = False) -> int:
    """Say what this installation can do and what would make it do more; the status is 1 if something is broken."""
    from ecrnn.bench.doctor import examine

    findings = examine()
    if json:
        import dataclasses
        import json as json_format

        typer.echo(json_format.dumps({"findings": [dataclasses.asdict(one) for one in findings]}, indent=2))
    else:
        width = max(len(one.what) for one in findings)
        for one in findings:
            sign = f"[{one.state}]"
            typer.echo(f"{sign:<10}{one.what:<{width}}  {one.sentence}")
    return 1 if any(one.state == "broken" for one in findings) else 0
