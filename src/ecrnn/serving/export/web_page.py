"""One HTML page with a model and ONNX Runtime Web inside: it answers about an image offline, from a file.

Everything is in the page: the model takes whole images (`image_graph`), the script decodes, runs it and shows bars or
text. A Content-Security-Policy lets nothing else run and nothing be fetched.
"""

from __future__ import annotations

import base64
import gzip
import hashlib
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ecrnn.core.errors import EcrnnError
from ecrnn.core.tasks import known
from ecrnn.core.text import json_text, printable
from ecrnn.data.image_file import MAX_PIXELS
from ecrnn.data.vocabulary import SPECIAL
from ecrnn.serving.export.exportable import Exportable
from ecrnn.serving.export.web_runtime import VERSION, WebRuntime

if TYPE_CHECKING:
    from jinja2 import Environment

_HERE = Path(__file__).parent


def check_page(form: Exportable) -> None:
    """Raise an EcrnnError unless there is a page for models of this task."""
    if not form.page:
        able = ", ".join(task.name for task in known() if task.export and task.code("export").page)
        raise EcrnnError(f"there is no page for {form.model.task.name}, only --to onnx; a page is for {able}")


def page(form: Exportable, model: bytes, runtime: WebRuntime, facts: dict[str, str]) -> str:
    """The page as one HTML document.

    Args:
        form: of the model.
        model: an ONNX file whose input is ``image``.
        runtime: what runs it.
        facts: rows of a table about the model, as texts.
    """
    names = [printable(name) for name in form.model.classes]
    if form.page == "text":
        vocabulary = form.model.processor.vocabulary
        assert vocabulary is not None
        names = [vocabulary.decode([i]) for i in range(len(vocabulary))]
    script, style = ((_HERE / name).read_text("utf-8") for name in ("web_page.js", "web_page.css"))
    settings = {"kind": form.page, "names": names, "special": len(SPECIAL), "pixels": MAX_PIXELS}
    return (
        _environment()
        .get_template("web_page.html.j2")
        .render(
            title=f"{form.model.description.model} on {form.model.metrics.get('data', 'its data')}",
            kind=form.page,
            limits=form.model.task.card.limits,
            facts=facts,
            version=VERSION,
            script=script,
            style=style,
            script_hash=_hash(script),
            style_hash=_hash(style),
            settings=json_text(settings).replace("<", "\\u003c"),
            model=_packed(model),
            runtime=_packed(runtime.script),
            binary=_packed(runtime.binary),
        )
    )


@cache
def _environment() -> Environment:
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    return Environment(
        loader=FileSystemLoader(_HERE),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        finalize=_shown,
    )


def _shown(value: Any) -> Any:
    """Text as people can read it."""
    return printable(value, keep="\n") if type(value) is str else value


def _packed(content: bytes) -> str:
    """What the page's script unpacks: compressed, in base64; the same every time."""
    return base64.b64encode(gzip.compress(content, mtime=0)).decode()


def _hash(text: str) -> str:
    """As a Content-Security-Policy has it."""
    return "sha256-" + base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
