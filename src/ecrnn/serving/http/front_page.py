"""The page of the server, page.html, in a language: its texts stand there in English between double brackets."""

from __future__ import annotations

import re
from pathlib import Path

from ecrnn.core.text import json_text
from ecrnn.core.translation import Translator

_EXPLAINED = (  # titles and faults of maps, as `ecrnn.explain.explanation` has them, with # for a number
    "Grad-CAM",
    "Integrated gradients",
    "Occlusion",
    "It does not depend on what was learnt: with shuffled weights the map is much the same.",
    "Blurring the pixels that it names takes no more from the class than blurring others.",
    "Bringing back the pixels that it names gives the class no more than bringing back others.",
    "Its sum misses the difference that it explains by # %.",
)


def front_page(language: str = "en") -> str:
    """The page as HTML; "en" or "ko".

    Raises:
        EcrnnError: there is no page in the language.
    """
    translator = Translator(language, [language])
    explained = {text: translator(text) for text in _EXPLAINED} if language != "en" else {}
    page = Path(__file__).with_name("page.html").read_text(encoding="utf-8")
    page = page.replace('"[[words]]"', json_text(explained)).replace("[[language]]", language)
    return re.sub(r"\[\[(.+?)\]\]", lambda found: translator(found[1]), page)
