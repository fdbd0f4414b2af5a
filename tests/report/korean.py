"""What is English on a page that should be Korean."""

from __future__ import annotations

import html
import re
from collections.abc import Iterable

# What Korean papers write in Latin letters too, names of ecrnn's files, commands and options, and of settings.
LATIN = {
    *("SD", "BLEU", "AUC", "RNN", "CNN", "LSTM", "GPU", "EXIF", "RGB", "CMYK", "TPE", "UTC", "UTF", "Python", "Holm"),
    *("McNemar", "Nadeau", "Bengio", "Clopper", "Pearson", "Wilcoxon", "Hartung", "Knapp", "Benavoli", "Corani", "et"),
    *("al", "df", "log", "ecrnn"),
    *("sacreBLEU", "Youden", "Wilson", "ROC", "ECE", "Grad", "CAM"),
    *("study", "yaml", "adam", "constant", "cpu", "float", "avx", "skip"),
}


def english(page: str, names: Iterable[str]) -> list[str]:
    """The Latin words of a page that are neither names nor in `LATIN`."""
    page = re.sub(r"<style>.*?</style>|<pre.*?</pre>|<code>.*?</code>", "", page, flags=re.DOTALL)
    shown = re.findall(r">([^<>]+)<", page) + re.findall(r'(?:alt|aria-label)="([^"]*)"', page)
    text = re.sub(r"--[a-z][a-z-]+", "", "\n".join(map(html.unescape, shown)))  # options of commands
    for name in sorted(names, key=len, reverse=True):
        text = text.replace(name, " ")
    return sorted(set(re.findall("[A-Za-z]{2,}", text)) - LATIN)
