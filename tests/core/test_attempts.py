"""Names in `.work` of a study."""

from __future__ import annotations

from pathlib import Path

from ecrnn.core.attempts import begun_in, name_of, trial_of


def test_names() -> None:
    for trial in (("cnn", 0), ("mine+dropout=0.5", 12), ("mine+dropout=0", 5)):
        assert trial_of(name_of(trial)) == trial
    assert trial_of("notes") == ("", 0)


def test_what_is_begun(tmp_path: Path) -> None:
    """Claims and what is called otherwise are no attempts; a file in the place of the folder holds none."""
    assert begun_in(tmp_path / "none") == set()
    for name in ("mine+dropout=0.5.7.12.00ff.folder", "cnn.0.1", "cnn.1.0.ab.folder", "notes"):
        (tmp_path / name).mkdir()
    assert begun_in(tmp_path) == {("mine+dropout=0.5", 7)}
    (tmp_path / "file").write_text("")
    assert begun_in(tmp_path / "file") == set()
