"""`ecrnn predict --part 3/40`: what the parts are, which are done again, and formats for many files."""

from __future__ import annotations

import csv
import io
import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from ecrnn.cli.options import WrongCall
from ecrnn.cli.predict_parts import Part, part_of, predict_part
from ecrnn.cli.predictions import Written


@pytest.mark.parametrize(("count", "of"), [(36, 5), (3, 7), (0, 2), (10, 1)])
def test_parts_do_not_overlap_and_are_all(count: int, of: int) -> None:
    files = [Path(f"{number}.png") for number in range(count)]
    parts = [Part(number, of).taken(files[::-1]) for number in range(1, of + 1)]
    assert [file for part in parts for file in part] == sorted(files, key=str)
    assert max(map(len, parts)) - min(map(len, parts)) <= 1


def test_a_part_has_a_file_of_its_own_in_a_folder(tmp_path: Path) -> None:
    part = part_of("3/40")
    assert part.place(tmp_path / "out", None) == tmp_path / "out" / "part-03-of-40.jsonl"
    assert part.place(tmp_path / "out", "csv") == tmp_path / "out" / "part-03-of-40.csv"
    assert part.place(tmp_path / "a.csv", None) == tmp_path / "a.csv"
    assert part.place(tmp_path / "run.v2", None).parent == tmp_path / "run.v2"
    with pytest.raises(WrongCall, match="or lie in a folder, not in"):
        part.place(tmp_path / "predictions.txt", None)


def test_a_finished_part_is_skipped_and_a_torn_one_done_again(
    call: Any, bundle: Path, images: Path, tmp_path: Path
) -> None:
    words = ("predict", bundle, images, "--top", 3, "-o", tmp_path / "parts")
    outs = []
    for number in (1, 2, 3):
        done = call(*words, "--part", f"{number}/3")
        out = tmp_path / "parts" / f"part-{number}-of-3.jsonl"
        assert (done.status, done.out, done.err) == (0, f"12 predictions in {out}\n", "")
        outs.append(out)
    together = "".join(out.read_text() for out in outs)
    assert together == call("predict", bundle, images, "--top", 3, "--json").out

    (tmp_path / "fewer").mkdir()
    shutil.copytree(images / "c", tmp_path / "fewer" / "c")  # on a machine that sees fewer files
    seen = call(
        "predict", bundle, tmp_path / "fewer", "--top", 3, "-o", tmp_path / "parts", "--format", "csv", "--part", "1/3"
    )
    assert (seen.status, seen.err.count("is a part of other files than these 12")) == (0, 3)
    (tmp_path / "parts" / "part-1-of-3.csv.part.json").unlink()

    whole, receipt = outs[1].read_bytes(), outs[1].with_name(f"{outs[1].name}.part.json")
    skipped = f"part 2/3 is done already: 12 predictions in {outs[1]}\n"
    assert call(*words, "--part", "2/3").out == skipped
    outs[1].write_bytes(whole[:-40])
    assert call(*words, "--part", "2/3").out == f"12 predictions in {outs[1]}\n"
    assert outs[1].read_bytes() == whole
    receipt.write_bytes(receipt.read_bytes().replace(b"12", b"11"))
    assert call(*words, "--part", "2/3").out == f"12 predictions in {outs[1]}\n"
    other = call("predict", bundle, images, "--top", 2, "-o", tmp_path / "parts", "--part", "2/3")
    assert (other.out != skipped, other.err.count("is a part with another top: together they are no")) == (True, 2)
    again = call(*words, "--part", "2/3")
    assert (again.out != skipped, again.err) == (True, "")  # that was with other options
    assert call(*words, "--part", "2/3").out == skipped
    whole = outs[1].read_bytes()
    refused = call("predict", bundle, images, "--top", 3, "-o", outs[1], "--part", "3/3")  # a file of another part
    assert (refused.status, outs[1].read_bytes()) == (2, whole)
    assert f"--out: {outs[1]} holds part 2/3; name one folder for all parts" in refused.err


def test_parts_that_do_not_go_together_are_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    def do(number: int, files: list[str], **how: Any) -> str:
        out = tmp_path / f"{number}.jsonl"

        def write(_: object) -> Written:
            out.write_text("{}\n")
            return Written(1, 0, 0)

        how = {"bundle": "a", "format": "jsonl", "top": 1, **how}
        predict_part(Part(number, 2), out, list(map(Path, files)), {}, how, write)
        return capsys.readouterr().err

    assert do(1, ["a/1.png", "b/2.png"]) == ""
    assert do(2, ["a/1.png", "b/2.png"]) == ""
    assert "1.jsonl is a part by another bundle: together" in do(2, ["a/1.png", "b/2.png"], bundle="b")
    assert "1.jsonl is a part with another top: together" in do(2, ["a/1.png", "b/2.png"], top=3)
    # The folders lie in another order there, so 2.png would be the first part, too, and 1.png in none.
    assert "1.jsonl is a part of other files than these 2, or of these in another" in do(2, ["y/1.png", "x/2.png"])
    assert do(2, ["x/1.png", "y/2.png"]) == ""  # as below another folder
    assert do(2, ["x/1.png", "y/2.png"], format="csv", top=3) == ""  # which is beside the first ones


def test_a_finished_part_with_a_bad_file_still_says_so(call: Any, bundle: Path, images: Path, tmp_path: Path) -> None:
    shutil.copytree(images / "c", tmp_path / "c")
    (tmp_path / "c" / "bad.png").write_bytes(b"no image")
    words = ("predict", bundle, tmp_path / "c", "--part", "1/1", "-o", tmp_path / "a.csv")
    assert call(*words).status == 1
    again = call(*words)
    line = f"part 1/1 is done already: 12 predictions in {tmp_path / 'a.csv'}, 1 of its inputs could not be predicted\n"
    assert (again.status, again.out) == (1, line)
    (tmp_path / "c" / "bad.png").unlink()
    assert call(*words).status == 0


def test_excel_reads_the_names_and_lines(call: Any, bundle: Path, images: Path, tmp_path: Path) -> None:
    done = call("predict", bundle, images, "--excel", "-o", tmp_path / "a.csv")
    assert done.status == 0
    content = (tmp_path / "a.csv").read_bytes()
    plain = call("predict", bundle, images, "--format", "csv").out.encode()
    assert content == b"\xef\xbb\xbf" + plain.replace(b"\n", b"\r\n")


def test_parquet_holds_what_csv_does(call: Any, bundle: Path, images: Path, tmp_path: Path) -> None:
    parquet = pytest.importorskip("pyarrow.parquet")
    bad = tmp_path / "bad\udce9.png"
    bad.write_bytes(b"no image")
    assert call("predict", bundle, bad, images, "-o", tmp_path / "a.parquet").status == 1
    first, *rows = parquet.read_table(tmp_path / "a.parquet").to_pylist()
    assert first["file"] == str(tmp_path / "bad\\udce9.png").replace("\\udc", "\\x")
    assert "not a PNG" in first["error"]
    _, *plain = csv.DictReader(io.StringIO(call("predict", bundle, bad, images, "--format", "csv").out))
    for row, text in zip(rows, plain, strict=True):
        assert row.pop("error") is None
        assert {name: str(value) for name, value in row.items()} == text


def test_what_the_model_had_better_not_answer_is_rejected(
    call: Any, bundle: Path, images: Path, tmp_path: Path
) -> None:
    table = json.loads((bundle / "metrics.json").read_text())["rejection"]
    half = table[-1]
    assert half["share"] == 0.5
    done = call("predict", bundle, images, "--reject", 0.5, "-o", tmp_path / "a.csv")
    assert done.status == 0
    assert (
        f"ecrnn: rejected is what gets less than {100 * half['threshold']:.1f} %: at most 50 % of images " in done.err
    )
    rows = list(csv.DictReader(io.StringIO((tmp_path / "a.csv").read_text())))
    classes = ("[red] é", "b b", "c")
    for row in rows:
        sure = max(float(row[name]) for name in classes)
        assert row["rejected"] == str(int(sure < half["threshold"]))
        assert bool(row["prediction"]) == (sure >= half["threshold"])
    rejected = sum(int(row["rejected"]) for row in rows)
    assert 0 < rejected < 36
    assert done.out == f"36 predictions, of which {rejected} are rejected, in {tmp_path / 'a.csv'}\n"
    lines = [json.loads(line) for line in call("predict", bundle, images, "--reject", 0.5, "--json").out.splitlines()]
    assert [int(line["rejected"]) for line in lines] == [int(row["rejected"]) for row in rows]
    assert call("predict", bundle, images, "--reject", 0.5).out.count("rejected: ") == rejected
