"""What is written of how far back RNNs read: table, figure and files, from made-up curves."""

import csv
import json
from dataclasses import replace
from pathlib import Path

import pytest

from ecrnn.core.errors import EcrnnError
from ecrnn.explain.memory_curve import Direction, Memory, distances_of
from ecrnn.report.content.memory_table import memory_table
from ecrnn.report.render.memory_files import draw_memory, read_memory, write_memory

FILES = ["memory.json", "memory.csv", "memory.svg", "memory.md"]


def a_memory(model="crnn-bilstm-16", repeat=0, steps=200, directions=2, m=40, classes=True):
    distances = distances_of(steps)
    kept = (*distances, steps)
    curve = tuple(0.8**n for n in distances)
    older = (*curve, 0.0)
    gradient_steps = {"0.001": m, "1e-06": 2 * m, "1e-08": 3 * m}
    both = tuple(
        Direction(name, curve, 0.5, curve, curve, older, gradient_steps, {"0.1": m // 2, "0.01": m + k})
        for k, name in enumerate(("forward", "backward")[:directions])
    )
    found = Memory(model, repeat, steps, 512, distances, kept, both)
    return replace(found, changed=older, class_memory=m // 4) if classes else found


MEMORIES = [
    a_memory(m=40),
    a_memory("crnn-lstm-16@random", 0, directions=1, m=1200),
    a_memory(repeat=1, m=50),
    a_memory(repeat=2, m=80),
]


def rows(table):
    return {tuple(cell.text for cell in row[:2]): [cell.text for cell in row[2:]] for row in table.rows}


def test_medians_and_ranges():
    ranged = ["50 (40 to 80)", "100 (80 to 160)", "150 (120 to 240)", "25 (20 to 40)"]
    assert rows(memory_table(MEMORIES)) == {
        ("crnn-bilstm-16", "forward"): ["3", "200", *ranged, "50 (40 to 80)", "12 (10 to 20)"],
        ("crnn-bilstm-16", "backward"): ["3", "200", *ranged, "51 (41 to 81)", "12 (10 to 20)"],
        ("crnn-lstm-16@random", "forward"): ["1", "200", "1,200", "2,400", "3,600", "600", "1,200", "300"],
    }
    assert "512 images a trial" in memory_table(MEMORIES).caption


def test_no_column_of_classes_where_there_are_none():
    titles = [
        [column.title for column in memory_table(found).columns] for found in (MEMORIES, [a_memory(classes=False)])
    ]
    assert titles[0] == [*titles[1], "class"]
    mixed = memory_table([a_memory(), a_memory("x", classes=False)])
    assert rows(mixed)["x", "forward"][-1] == "\N{EN DASH}"
    caption = memory_table([a_memory(classes=False)]).caption
    assert "512 sequences" in caption
    assert "class" not in caption


def test_the_files(tmp_path: Path):
    paths = write_memory(MEMORIES, tmp_path / "new", {"processor": "abacus"})
    assert list(paths) == FILES
    assert sorted(p.name for p in (tmp_path / "new").iterdir()) == sorted(FILES)
    assert read_memory(paths["memory.json"]) == MEMORIES
    content = json.loads(paths["memory.json"].read_text())
    assert content["environment"] == {"processor": "abacus"}
    assert len(paths["memory.json"].read_text().splitlines()) == len(MEMORIES) + 2
    first = next(csv.DictReader(paths["memory.csv"].read_text().splitlines()))
    assert (first["state_0.01"], first["state_0.01_least"], first["state_0.01_most"]) == ("50", "40", "80")
    shown = paths["memory.md"].read_text()
    assert " 50 (40 to 80) | 12 (10 to 20) |" in shown
    assert "](memory.svg)" in shown


def test_the_same_memories_give_the_same_bytes(tmp_path: Path):
    one = write_memory(MEMORIES, tmp_path / "one", {})
    two = write_memory(read_memory(one["memory.json"]), tmp_path / "two", {})
    assert [one[name].read_bytes() for name in FILES] == [two[name].read_bytes() for name in FILES]


@pytest.mark.parametrize("classes", [True, False])
def test_the_figure(classes: bool):
    found = [a_memory(f"model-{k} <&>", m=40 + k, classes=classes) for k in range(5)]
    figure = draw_memory(found)
    assert figure is not None
    for k in range(5):
        assert figure.svg.count(f">model-{k} &lt;&amp;&gt;<") == 1  # in the legend
        assert f"model-{k} &lt;&amp;&gt;: of 200 steps the last {40.5 + k:g} give the last state to 1 %" in figure.svg
    assert ("predicted classes that change" in figure.svg) == classes
    assert "1e-8" in figure.svg  # no mathematics in the labels
    assert "mathdefault" not in figure.svg


def test_short_sequences_are_in_the_table_alone(tmp_path: Path):
    short = a_memory("crnn-lstm-16@positions", steps=4, m=2)
    figure = draw_memory([short, a_memory()])
    assert figure is not None
    assert "positions" not in figure.svg
    assert "nor are sequences of under 16 steps" in figure.caption
    assert draw_memory([short]) is None
    assert list(write_memory([short], tmp_path, {})) == ["memory.json", "memory.csv", "memory.md"]
    assert "memory.svg" not in (tmp_path / "memory.md").read_text()


def test_nothing_is_an_error(tmp_path: Path):
    with pytest.raises(EcrnnError, match=r"^nothing was measured: no finished trial of a model with an RNN$"):
        write_memory([], tmp_path, {})


def test_different_sequences_are_not_mixed(tmp_path: Path):
    with pytest.raises(EcrnnError, match=r"^trials of 'x' read sequences of different lengths; give their studies one"):
        write_memory([a_memory("x", 0), a_memory("x", 1, steps=100)], tmp_path, {})
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    "content",
    [
        "[]",
        "{}",
        '{"kind": "ecrnn memory", "format": 1}',
        '{"kind": "ecrnn memory", "format": 2, "memories": []}',
        '{"kind": "ecrnn report"}',
    ],
)
def test_another_file_is_refused(tmp_path: Path, content: str):
    path = tmp_path / "memory.json"
    path.write_text(content)
    with pytest.raises(EcrnnError, match=r"is not a memory.json of format 1, as examples/how_far_back.py writes it$"):
        read_memory(path)
