from __future__ import annotations

import numpy as np
import pytest

from ecrnn.data.check.class_checks import class_findings, class_rows, readable_name
from ecrnn.data.check.survey import Survey


def seen(count: int, **arrays: np.ndarray) -> Survey:
    zeros = {name: np.zeros(count, np.uint64) for name in ("content", "look", "mirrored")}
    sides = {name: np.full(count, 100, np.int32) for name in ("width", "height")}
    numbers = {name: np.zeros(count, np.int32) for name in ("format", "camera")}
    found = Survey(
        **{"readable": np.ones(count, bool), "flat": np.zeros(count, bool), **zeros, **sides, **numbers, **arrays}
    )
    found.formats, found.cameras = ["", "JPEG", "PNG"], ["", "Canon EOS"]
    return found


LABELS = np.repeat([0, 1, 2], 20)
NAMES = ("cat", "dog", "owl")


def kinds(found: Survey, labels: np.ndarray = LABELS) -> list[tuple[str, str]]:
    return [(one.file, one.kind) for one in class_findings(NAMES, labels, found)]


def test_nothing_is_said_of_classes_that_are_alike():
    assert kinds(seen(60, format=np.full(60, 1, np.int32), camera=np.full(60, 1, np.int32))) == []


def test_few_images_and_imbalance():
    labels = np.repeat([0, 1, 2], [9, 100, 12])
    assert kinds(seen(121), labels) == [("cat", "few-images"), ("dog", "imbalance")]
    readable = np.ones(60, bool)
    readable[45:] = False  # of owl five are left
    assert kinds(seen(60, readable=readable)) == [("owl", "few-images")]


@pytest.mark.parametrize("odd", [1, 2])  # of 20 images: 95 % are enough, 90 % are not
def test_a_class_of_one_size(odd):
    width = np.random.default_rng(0).integers(50, 500, 60).astype(np.int32)
    width[40:] = 512
    width[40 : 40 + odd] = 300
    assert kinds(seen(60, width=width)) == ([("owl", "one-size")] if odd == 1 else [])


def test_a_class_of_one_format_or_camera():
    form = np.where(LABELS == 1, 2, 1).astype(np.int32)
    camera = np.where(LABELS == 0, 1, 0).astype(np.int32)  # the others name none, which is no camera
    found = kinds(seen(60, format=form, camera=camera))
    assert ("dog", "one-format") in found
    assert ("cat", "one-camera") in found
    assert not any(kind == "one-camera" and name != "cat" for name, kind in found)


def test_a_class_that_exif_turns():
    found = seen(60)
    found.traits["exif-rotated"] = [*range(20, 33), 0, 1]
    assert kinds(found) == [("dog", "rotated-class")]
    found.traits["exif-rotated"] = list(range(0, 60, 2))
    assert kinds(found) == []


def test_rows():
    width = np.arange(60).astype(np.int32)
    readable = np.ones(60, bool)
    readable[[3, 59]] = False
    rows = class_rows(NAMES, LABELS, seen(60, width=width, readable=readable))
    assert [(row.name, row.images, row.unreadable) for row in rows] == [("cat", 19, 1), ("dog", 20, 0), ("owl", 19, 1)]
    assert rows[1].widths == (20, 29, 39)
    assert rows[1].heights == (100, 100, 100)


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("장미".encode("cp949").decode("cp437"), "장미"),
        ("café.jpg".encode().decode("latin-1"), "café.jpg"),
        ("꽃".encode().decode("cp1252"), "꽃"),
        ("장미", ""),
        ("café", ""),
        ("Größe", ""),
        ("naïve ë", ""),
        ("rose", ""),
    ],
)
def test_names_in_the_wrong_encoding(name, meant):
    assert readable_name(name) == meant
