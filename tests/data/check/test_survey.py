from __future__ import annotations

import tracemalloc

import numpy as np
from PIL import Image

from ecrnn.core.events import Loading
from ecrnn.data.check import survey as module
from ecrnn.data.check.survey import survey


def test_places_are_those_of_the_files_for_any_number_of_threads(tmp_path, monkeypatch):
    monkeypatch.setattr(module, "_CHUNK", 4)
    names = [f"{i:02}.png" for i in range(11)]
    for i, name in enumerate(names):
        noise = np.random.default_rng(i).integers(0, 256, (10 + i, 20, 3), np.uint8)
        Image.fromarray(noise).save(tmp_path / name)
    (tmp_path / "05.png").write_bytes(b"")
    (tmp_path / "07.png").rename(tmp_path / "07.gif")
    names[7] = "07.gif"
    events = []
    one, three = survey(tmp_path, names, 1, events.append), survey(tmp_path, names, 3)
    assert one.height.tolist() == [10 + i if i != 5 else 0 for i in range(11)]
    assert one.readable.tolist() == [i != 5 for i in range(11)]
    assert list(one.faults) == [5]
    assert one.traits == {"wrong-name": [7]}
    assert [one.formats[i] for i in one.format] == ["PNG" if i != 5 else "" for i in range(11)]
    for name in ("content", "look", "mirrored", "flat", "width", "camera"):
        np.testing.assert_array_equal(getattr(one, name), getattr(three, name))
    assert len(set(one.content.tolist())) == 11
    assert events == [Loading("images", done, 11) for done in (4, 8, 11)]


def test_no_decoded_image_is_kept(tmp_path):
    names = [f"{i}.png" for i in range(40)]
    for name in names:
        Image.new("RGB", (500, 500), (0, 0, 1)).save(tmp_path / name)  # 750 kB decoded, 30 MB all together
    survey(tmp_path, names[:2], 1)  # what is imported once
    tracemalloc.start()
    survey(tmp_path, names, 2)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 6_000_000
