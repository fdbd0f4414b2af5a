"""Sub-folders of a data folder: classes, parts, or neither; and what is passed over."""

from __future__ import annotations

import unicodedata
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from ecrnn.core.errors import DataError
from ecrnn.data.folder import has_validation, list_folder
from ecrnn.data.image_set import from_arrays, make_image_set
from ecrnn.data.layout import is_junk, part_of
from ecrnn.data.left_out import sentence
from ecrnn.data.splits import parse_split
from ecrnn.tasks.captioning import captions
from ecrnn.tasks.clip_classification import clips
from ecrnn.tasks.image_classification import images
from ecrnn.tasks.language_modelling import corpus
from ecrnn.tasks.text_classification import texts
from ecrnn.tasks.text_recognition import lines
from ecrnn.tasks.translation import sentence_pairs

CLASSES = ("cat", "dog")


def fill(root: Path, *files: str) -> Path:
    """Images that differ, one a file; other files where the suffix says so."""
    rng = np.random.default_rng(0)
    for file in files:
        path = root / file
        path.parent.mkdir(parents=True, exist_ok=True)
        if path.suffix == ".png":
            Image.fromarray(rng.integers(0, 256, (8, 8, 3), dtype=np.uint8)).save(path)
        else:
            path.write_bytes(b"x")
    return root


def of_parts(*parts: str, count: int = 1) -> list[str]:
    return [f"{part}/{name}/{i}.png" for part in parts for name in CLASSES for i in range(count)]


@pytest.mark.parametrize(
    ("name", "part"),
    [
        *(
            ("train", "train"),
            ("Train", "train"),
            ("TRAINING", "train"),
            ("training_set", "train"),
            ("trainset", "train"),
        ),
        *(("train2017", "train"), ("train-images", "train"), ("images_train", "train"), ("seg_train", "train")),
        *(("훈련", "train"), (unicodedata.normalize("NFD", "훈련"), "train"), ("Training Data", "train")),
        *(("val", "val"), ("valid", "val"), ("Validation", "val"), ("validation_set", "val"), ("dev", "val")),
        *(("val2017", "val"), ("eval", "val"), ("검증", "val")),
        *(
            ("trainA", "train"),
            ("testB", "test"),
            ("train (1)", "train"),
            ("학습용 데이터", "train"),
            ("训练集", "train"),
        ),
        *(("テスト", "test"), ("Validación", "val"), ("tests_b", None), ("trainb", None), ("deva", None)),
        *(("test", "test"), ("Testing", "test"), ("test_set", "test"), ("test.1", "test"), ("테스트", "test")),
        *((name, None) for name in ("cat", "trainer", "invalid", "testimony", "contest", "trainers", "device", "값")),
        *((name, None) for name in ("steam train", "test tube", "valid tickets", "development board", "sample")),
    ],
)
def test_names_of_parts(name, part):
    assert part_of(name) == part


@pytest.mark.parametrize(
    ("parts", "n_train", "n_validation"),
    [
        (("train", "val"), 20, 10),
        (("Train", "Validation"), 20, 10),
        (("training", "valid"), 20, 10),
        (("train", "test"), 10, 0),
        (("train", "dev", "test"), 20, 10),
        (("훈련", "검증", "테스트"), 20, 10),
        (("seg_train/seg_train", "seg_test/seg_test"), 10, 0),
        (("pets-train", "pets-val"), 20, 10),
        (("mytrain2", "myval2"), 20, 10),
        (("1.Training", "2.Validation"), 20, 10),
    ],
)
def test_parts_are_the_own_split(tmp_path, parts, n_train, n_validation):
    data = images.load(fill(tmp_path / "pets", *of_parts(*parts, count=5)), cache=tmp_path)
    assert data.classes == CLASSES
    assert data.files == tuple(of_parts(*parts, count=5))
    assert data.labels.tolist() == ([0] * 5 + [1] * 5) * len(parts)
    assert (data.n_train, data.n_validation) == (n_train, n_validation)
    split = parse_split("own").split(data, 0, 0)
    assert split.train.tolist() == list(range(10))
    assert split.validation.tolist() == list(range(10, 20))
    half = parse_split("0.5").split(data, 0, 0)  # a test part is left alone, a validation part is not
    assert len(half.train) + len(half.validation) == n_train
    assert has_validation(tmp_path / "pets") == (n_validation > 0)


def test_a_part_to_validate_on_changes_the_fingerprint(tmp_path):
    first = images.load(fill(tmp_path / "a", *of_parts("train", "val")), cache=tmp_path)
    (tmp_path / "a/val").rename(tmp_path / "a/test")
    second = images.load(tmp_path / "a", cache=tmp_path)
    assert (first.images == second.images).all()
    assert first.fingerprint != second.fingerprint
    fewer = make_image_set("c", first.images, first.labels, first.classes, n_validation=1)
    more = make_image_set("c", first.images, first.labels, first.classes, n_validation=2)
    assert first.fingerprint == more.fingerprint != fewer.fingerprint


def test_other_folders_as_parts(tmp_path):
    fill(tmp_path, *of_parts("photos", "later", "elsewhere/new"))
    data = images.load(tmp_path / "photos", val=tmp_path / "later", test=tmp_path / "elsewhere/new", cache=tmp_path)
    assert (data.n_train, data.n_validation, len(data)) == (4, 2, 6)
    assert data.files[2] == str(tmp_path / "later/cat/0.png")
    alone = images.load(tmp_path / "elsewhere/new", cache=tmp_path)
    assert (data.images[4:] == alone.images).all()
    for name, wrong in (("val", "later"), ("test", "photos")):
        with pytest.raises(DataError, match="go with a folder of your own, not with digits"):
            images.load("digits", **{name: tmp_path / wrong}, cache=tmp_path)
    fill(tmp_path / "parted", *of_parts("train", "test"))
    with pytest.raises(DataError, match=r"parted has a part test of its own; omit --test"):
        images.load(tmp_path / "parted", test=tmp_path / "later", cache=tmp_path)
    with pytest.raises(DataError, match=r"parted holds parts \(train, test\); give one of them"):
        images.load(tmp_path / "photos", test=tmp_path / "parted", cache=tmp_path)
    assert images.load(tmp_path / "parted", val=tmp_path / "later", cache=tmp_path).n_validation == 2


REFUSED = {  # each with what the line says
    "a folder beside": (
        [*of_parts("train", "valid", "sample")],
        "beside them sample; move that out of ROOT, or give ROOT/train",
    ),
    "parts in a folder beside": (
        of_parts("train", "valid", "sample/train", "sample/valid"),
        "holds parts (train, valid) and beside them sample; move that out of ROOT, or give ROOT/train",
    ),
    "flat test": ([*of_parts("train"), "test/1.png"], "test holds 1 image but no sub-folders of classes, so nothing"),
    "all flat": (["train/1.png", "test/1.png"], "train holds 1 image but no sub-folders of classes; put"),
    "test among classes": (
        ["cat/1.png", "dog/1.png", "test/1.png"],
        "ROOT/test has the name of a part, not of a class",
    ),
    "val among classes": (
        ["cat/1.png", "dog/1.png", "val/cat/1.png"],
        "ROOT/val has the name of a part, not of a class",
    ),
    "train and test among classes": (
        ["cat/1.png", "train/1.png", "test/1.png"],
        "holds parts (train, test) and beside",
    ),
    "train of the classes beside": (
        [*of_parts("train"), "cat/1.png", "dog/1.png"],
        "(train) and beside them cat and 1 more",
    ),
    "one level down": (
        of_parts("images/train", "images/val", "masks/train"),
        "(train, val), not images of a class; give ROOT/images",
    ),
    "class first": (
        ["cat/train/1.png", "cat/test/1.png", "dog/train/1.png"],
        "by part first and then by class, as in train/<class>",
    ),
    "one part": (
        of_parts("train"),
        "one part (train) and no classes; add a folder val or test beside it, or give ROOT/train",
    ),
    "one part and notes": (
        [*of_parts("train"), "labels/a.xml"],
        "one part (train) and no classes; add a folder val or test beside it, or give ROOT/train",
    ),
    "none to train on": (of_parts("val", "test"), "holds parts (val, test) but none to train on; add a folder train"),
    "two of a kind": (
        of_parts("train", "training", "test"),
        "2 folders for the part train (train, training); leave one, or rename them if they are classes",
    ),
    "two domains": (
        ["trainA/1.png", "trainB/1.png", "testA/1.png", "testB/1.png"],
        "2 folders for the part train (trainA, trainB); leave one",
    ),
    "parts of each class": (
        ["cat_train/1.png", "cat_test/1.png", "dog_train/1.png", "dog_test/1.png"],
        "(cat_train, dog_train); sort by part first and then by class, as in train/<class>",
    ),
    "folds": (
        of_parts("fold0", "fold1", "fold_2"),
        "holds folds (fold0, fold1, fold_2), not classes; sort all images by class alone and give --split 3-fold",
    ),
    "a fold among classes": (["cat/1.png", "dog/1.png", "split-1/1.png"], "holds folds (split-1), not classes"),
    "a folder twice around all": (of_parts("a/b"), "ROOT holds one folder (a/b) with 2 in it; give ROOT/a/b"),
    "around parts": (of_parts("a/b/train", "a/b/test"), "holds one folder (a/b) with 2 in it; give ROOT/a/b"),
    "parts in a part": (
        [f"train/{p}" for p in of_parts("train", "test")] + of_parts("test"),
        "ROOT/train holds parts in turn",
    ),
    "other classes": (
        [*of_parts("train", "test"), "test/emu/1.png"],
        "ROOT/test has a class 'emu' that ROOT/train has not",
    ),
    "an empty folder": ([*of_parts("train", "val"), "test/x.txt"], "ROOT/test holds no sub-folders of classes, so"),
    "images of other tools": (
        ["images/train/1.png", "images/val/1.png"],
        "by part first and then by class, as in train/",
    ),
    "no runnable advice": (["bottle/train/good/1.png", "bottle/test/bad/1.png"], "not images of a class; sort by part"),
    "flat with a prefix": (["pets_train/1.png", "pets_test/1.png"], "ROOT/pets_train holds 1 image but no sub-folders"),
    "fewer classes": ([*of_parts("train"), "test/cat/1.png"], "ROOT/train has a class 'dog' that ROOT/test has not"),
    "an empty part": (
        [*of_parts("train"), "val/cat/x.txt", "val/dog/x.txt"],
        "ROOT/val holds no images at all; add some",
    ),
    "a folder around all": (of_parts("archive"), "ROOT holds one folder (archive) with 2 in it; give ROOT/archive"),
    "all HEIC": (
        ["cat/1.heic", "cat/2.HEIC", "dog/1.png"],
        "cat holds no images (left out 2 files that cannot be read as images: 2 .heic; convert",
    ),
}


@pytest.mark.parametrize("files", [files for files, _ in REFUSED.values()], ids=list(REFUSED))
def test_what_is_neither_classes_nor_parts(tmp_path, files):
    root = fill(tmp_path / "data", *files)
    line = next(said for own, said in REFUSED.values() if own == files)
    with pytest.raises(DataError) as caught:
        list_folder(root)
    assert line in str(caught.value).replace(str(root), "ROOT")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "files",
    [
        ["train/1.png", "car/1.png"],
        ["train/steam/1.png", "train/fast/2.png", "car/suv/1.png"],
        ["valid/1.png", "invalid/1.png"],
        ["Training/1.png", "match/1.png"],
        ["train_station/1.png", "test_tube/1.png", "cat/1.png"],
        ["vehicles/train/1.png", "vehicles/car/1.png", "animals/cat/1.png"],
    ],
)
def test_classes_that_are_called_like_parts(tmp_path, files, caplog):
    root = fill(tmp_path / "data", *files)
    assert list_folder(root).classes == tuple(sorted({file.split("/")[0] for file in files}))
    name = next((file.split("/")[0] for file in files if part_of(file.split("/")[0])), None)
    assert name is None or f"{root}: {name} is taken for a class; parts are called so, too" in caplog.text


TOLD = {  # classes that may be none, and what is said
    "an only part": (["train/1.png"], "train is taken for a class; parts are called so, too"),
    "small copies": (
        ["Thumbnails/1.png"],
        "Thumbnails is taken for a class; folders of other things are called so, too",
    ),
    "capitals": (["C/1.png", "c/1.png"], "'C' and 'c' are two classes, though their names differ in capitals, blanks"),
    "a blank": (["cat /1.png"], "'cat' and 'cat ' are two classes, though"),
    "full width": (["ｄｏｇ/1.png", "cat./1.png"], "'cat' and 'cat.' (and 1 more pairs like them) are two classes"),
    "a copy": (["cat - Copy (2)/1.png"], "'cat - Copy (2)' is a class beside 'cat', though it is called like a copy"),
    "a copy of": (["Copy of cat/1.png"], "'Copy of cat' is a class beside 'cat', though it is called like a copy"),
    "a blank without width": (["cat\u200b/1.png"], "'cat' and 'cat\\u200b' are two classes, though"),
    "a part inside": (
        ["cat/new/test/1.png"],
        "cat/new/test is called like a part, but its images are taken for some of the class",
    ),
}


@pytest.mark.parametrize("case", TOLD)
def test_classes_that_may_be_none_are_told(tmp_path, caplog, case):
    files, line = TOLD[case]
    root = fill(tmp_path / "data", "cat/1.png", "dog/1.png", *files)
    listing = list_folder(root)
    assert [note.startswith(f"{root}: {line}") for note in listing.notes] == [True]
    assert caplog.text.count(line) == 1


def test_groups_with_the_same_classes_are_told(tmp_path):
    listing = list_folder(fill(tmp_path / "data", *of_parts("alice", "bob")))
    assert listing.classes == ("alice", "bob")
    assert "alice, bob are taken for classes, though they hold folders of the same names (cat, dog)" in listing.notes[0]
    assert list_folder(fill(tmp_path / "fine", "cat/in/1.png", "dog/out/1.png", "dog/in/1.png")).notes == ()


def test_one_folder_by_two_names_is_refused(tmp_path):
    root = fill(tmp_path / "pets", "cat/1.png", "dog/1.png")
    (root / "emu").symlink_to(root / "cat")
    with pytest.raises(DataError, match=r"pets/emu is the same folder as .*pets/cat, by a link; remove the link"):
        list_folder(root)
    (root / "emu").unlink()
    (root / "emu").symlink_to(tmp_path)
    with pytest.raises(DataError, match=r"pets/emu holds .*pets itself, by a link; remove the link"):
        list_folder(root)
    (root / "emu").unlink()
    (root / "cat/more").symlink_to(fill(tmp_path / "more", "1.png"))
    assert list_folder(root).left_out == {"link to a folder": 1}


def test_texts_left_out_are_counted(tmp_path, caplog):
    root = fill(tmp_path / "texts", "good/a.md", "bad/b.docx", "readme.md")
    for name in ("good", "bad"):
        (root / name / "1.txt").write_text(name)
    data = texts.load(root)
    assert data.left_out == {".md": 2, ".docx": 1}
    assert f"{root}: left out 3 files that cannot be read as texts: 2 .md, 1 .docx" in caplog.text
    assert data.notes[0] in caplog.text
    (tmp_path / "a.tsv").write_text("good\tyes\nGood\tno\n")
    assert "'good' and 'Good' are two classes" in texts.load(tmp_path / "a.tsv").notes[0]
    fill(tmp_path / "one/wrapper", "good/1.txt", "bad/2.txt")
    with pytest.raises(DataError, match=r"holds one folder \(wrapper\) with several in it; give .*one/wrapper"):
        texts.load(tmp_path / "one")


JUNK = (
    *(
        "__MACOSX",
        "@eaDir",
        "#recycle",
        "$RECYCLE.BIN",
        "System Volume Information",
        "lost+found",
        ".ipynb_checkpoints",
    ),
    *(".Trash-1000", "@Recently-Snapshot", "#snapshot", "RECYCLER", ".thumbnails", "__pycache__"),
)


def test_junk_is_no_class_and_no_example(tmp_path):
    files = ["cat/1.png", "dog/1.png"]
    root = fill(tmp_path / "pets", *files)
    fill(root, *(f"{name}/{file}" for name in JUNK for file in files), *(f"cat/{name}/1.png" for name in JUNK))
    for name in (
        "Thumbs.db",
        "desktop.ini",
        ".DS_Store",
        "._1.png",
        "ehthumbs.db",
        "Thumbs.db:encryptable",
        "1.png@SynoEAStream",
    ):
        (root / "cat" / name).write_bytes(b"x")
        (root / name).write_bytes(b"x")
    listing = list_folder(root)
    assert listing.files == tuple(files)
    assert listing.left_out == {}
    assert listing.notes == ()
    assert not any(map(is_junk, ("cat", "#1 cats", "@home", "thumbs", "recycle", "train")))


def test_folders_of_ecrnn_are_passed_over_and_named(tmp_path):
    root = fill(tmp_path / "pets", "cat/1.png", "dog/1.png", "runs/compare-pets/study.yaml", "runs/compare-pets/a.png")
    fill(root, "mine/bundle.json", "mine/a.png", "judged/evaluation.json", "judged/a.png")
    listing = list_folder(root)
    assert listing.classes == CLASSES
    assert listing.notes == (f"{root}: passed over judged, mine, runs, written by ecrnn",)


def test_files_left_out_are_counted(tmp_path, caplog):
    root = fill(tmp_path / "pets", *of_parts("train", "test", count=2), "train/cat/labels.csv", "test/dog/film.MOV")
    fill(root, *(f"train/cat/{i}.HEIC" for i in range(3)), "train/dog/deep/raw", "train/lying.heif")
    fill(root, "train/lies.png", "loose.png")
    listing = list_folder(root)
    assert listing.left_out == {".csv": 1, ".mov": 1, ".heic": 3, "without suffix": 1, ".heif": 1}
    line = (
        f"{root}: left out 7 files that cannot be read as images: 3 .heic, 1 .csv, 1 .heif, 1 .mov, 1 without suffix; "
        "convert .heic, .heif to JPEG or PNG; give images without a suffix theirs, such as .jpg; save frames "
        "of .mov as JPEG or PNG"
    )
    assert listing.notes == (f"{root}: left out 2 images beside the classes, of none of them", line)
    assert line in caplog.text  # what the command shows


def test_many_kinds_left_out_are_one_line():
    line = sentence({f".a{i}": 1 for i in range(30)})
    assert line.startswith("left out 30 files that cannot be read as images: 1 .a0, 1 .a1,")
    assert line.endswith(", 22 others")
    assert sentence({}) == ""


def test_names_in_hangul_in_both_spellings(tmp_path):
    def nfd(name: str) -> str:
        return unicodedata.normalize("NFD", name)

    names = [f"{name}/{file}.png" for name in ("강아지", "고양이", "Ähre", "zebra") for file in ("가", "ä", "z")]
    composed = images.load(fill(tmp_path / "nfc", *names), cache=tmp_path)
    decomposed = images.load(fill(tmp_path / "nfd", *map(nfd, names)), cache=tmp_path)
    assert composed.classes == decomposed.classes == tuple(sorted({name.split("/")[0] for name in names}))
    assert composed.files == tuple(sorted(names))
    assert decomposed.files == tuple(map(nfd, composed.files))  # opened as they are called
    assert composed.fingerprint == decomposed.fingerprint
    assert images.load(str(tmp_path / "nfd"), cache=tmp_path).fingerprint == composed.fingerprint
    both = fill(fill(tmp_path / "both", *names), *map(nfd, names))
    with pytest.raises(DataError, match="holds 'Ähre' twice, spelt with composed and with decomposed characters"):
        list_folder(both)
    parted = fill(tmp_path / "parted", *(f"train/{name}" for name in names), *(f"test/{nfd(name)}" for name in names))
    assert images.load(parted, cache=tmp_path).n_train == len(names)


def test_names_in_tables_are_found_in_both_spellings(tmp_path):
    def nfd(name: str) -> str:
        return unicodedata.normalize("NFD", name)

    fill(tmp_path, f"captioned/images/{nfd('사진')}/{nfd('강아지')}.png", "captioned/images/고양이.png")
    rows = [
        "image\tcaption",
        "사진/강아지.png\ta dog",
        f"{nfd('사진')}/강아지.png\tthe dog",
        f"{nfd('고양이')}.png\ta cat",
    ]
    (tmp_path / "captioned/captions.tsv").write_text("\n".join(rows), encoding="utf-8")
    found = captions.load(tmp_path / "captioned", image_size=8, cache=tmp_path)
    assert found.files == (f"{nfd('사진')}/{nfd('강아지')}.png", "고양이.png")
    assert found.captions == (("a dog", "the dog"), ("a cat",))

    fill(tmp_path, f"lines/{nfd('가')}.png", "lines/나.png")
    (tmp_path / "lines/labels.tsv").write_text(f"가.png\t{nfd('한글')}\n나.png\t한글\n", encoding="utf-8")
    assert lines.load(tmp_path / "lines", height=8).texts == ("한글", "한글")
    (tmp_path / "lines/labels.tsv").write_text(f"가.png\tx\n{nfd('가')}.png\ty\n", encoding="utf-8")
    with pytest.raises(DataError, match="comes twice"):
        lines.load(tmp_path / "lines", height=8)

    (tmp_path / "texts.tsv").write_text(f"좋다\ta\n{nfd('좋다')}\tb\n{nfd('싫다')}\tc\n", encoding="utf-8")
    found = texts.load(tmp_path / "texts.tsv")
    assert (found.classes, found.labels.tolist()) == (("싫다", "좋다"), [0, 1, 1])
    for spell in (nfd, str):
        fill(
            tmp_path / "films", *(f"{spell(name)}/{i}/{k}.png" for name in ("걷다", "뛰다") for i in "12" for k in "12")
        )
        if spell is nfd:
            assert clips.load(tmp_path / "films", frames=2, image_size=8, cache=tmp_path).classes == ("걷다", "뛰다")
    with pytest.raises(DataError, match="holds '걷다' twice"):
        clips.load(tmp_path / "films", frames=2, image_size=8, cache=tmp_path)
    names = np.array(["걷다", nfd("뛰다")])
    film = np.zeros((2, 1, 8, 8, 1), np.uint8)
    np.savez(tmp_path / "films.npz", clips=film, labels=np.array([0, 1]), classes=names)
    assert clips.load(tmp_path / "films.npz", frames=1).classes == ("걷다", "뛰다")
    np.savez(tmp_path / "films.npz", clips=film, labels=np.array(["걷다", nfd("걷다")]))
    with pytest.raises(DataError, match="two labels are one name"):
        clips.load(tmp_path / "films.npz", frames=1)
    with pytest.raises(DataError, match="different labels that read the same"):
        from_arrays(film[:, 0], np.array(["걷다", nfd("걷다")]))


def test_parts_are_told_from_clips_by_what_lies_in_them(tmp_path):
    """A clip may be called like a part; a class that is called like one holds clips, a part holds classes."""
    root = fill(
        tmp_path / "a", *(f"{name}/{clip}/1.png" for name in ("train", "car") for clip in ("test", "train", "3"))
    )
    assert clips.load(root, frames=1, image_size=8, cache=tmp_path).classes == ("car", "train")
    root = fill(tmp_path / "b", *(f"{part}/{name}/1/1.png" for part in ("train", "test") for name in CLASSES))
    found = clips.load(root, frames=1, image_size=8, cache=tmp_path)
    assert (found.classes, found.n_train, found.files[2]) == (CLASSES, 2, "test/cat/1")


def test_parts_that_are_joined_to_the_training_part_are_told(tmp_path, caplog):
    for name in ("train.en", "train.fr", "val.en", "val.fr"):
        (tmp_path / name).write_text("a\nb\n")
    assert sentence_pairs.load(tmp_path).n_train == 4
    assert f"{tmp_path}: val. is joined to the training part, which is split anew" in caplog.text
    fill(tmp_path / "shown", "images/1.png", "images/2.png")
    (tmp_path / "shown/captions.tsv").write_text("image\tsplit\tcaption\n1.png\ttrain\ta\n2.png\tDev\tb\n")
    assert captions.load(tmp_path / "shown").n_train == 2
    assert "captions.tsv: split dev is joined to the training part, which is split anew" in caplog.text


@pytest.mark.parametrize("load", [texts.load, partial(corpus.load, length=8)], ids=["texts", "text"])
def test_a_part_of_its_own_and_another_beside_it(tmp_path, load):
    for part in ("train", "test", "other"):
        place = tmp_path / ("other" if part == "other" else f"data/{part}")
        place.mkdir(parents=True)
        for name in ("cold", "warm"):
            (place / f"{name}.txt").write_text(f"{part} {name} one\n{part} {name} two\n" * 20)
    data = tmp_path / "data"
    assert load(data, val=tmp_path / "other").n_validation > 0
    with pytest.raises(DataError, match=r"data has a part test of its own; omit --test"):
        load(data, test=tmp_path / "other")
