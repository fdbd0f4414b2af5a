"""From comparisons of data sets to what a report across them says."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from ecrnn.core.errors import EcrnnError
from ecrnn.report import ScoredDataSet, analyse_across, analyse_studies
from ecrnn.report.content.across_tables import evidence_table, pairs_table
from ecrnn.stats import ACCURACY, compare_scores, profile


def test_profiles_are_of_all_results(studies: list[Path]) -> None:
    found = analyse_studies(studies)
    one = found.profiles[1]
    scores = [
        np.array(model.scores) for own in found.data_sets for model in own.comparison.models if model.model == one.model
    ]
    assert one.profile == profile(scores, one.profile.scores)
    assert one.profile.share[0] == 1


def test_scores_from_anywhere() -> None:
    rng = np.random.default_rng(0)
    sets = [
        ScoredDataSet(
            f"table {d}",
            compare_scores({"a": rng.normal(0.6, 0.01, 3), "b": rng.normal(0.7, 0.01, 3)}, 70, 30, metric=ACCURACY),
        )
        for d in range(9)
    ]
    found = analyse_across(sets, examples="rows")
    assert found.headline == "On average over 9 data sets, b is better than a."
    assert found.across.ranks is not None
    with pytest.raises(EcrnnError, match=r"^the moderator classes is not known of table 0; leave it out$"):
        analyse_across(sets, moderators=["classes"])
    with pytest.raises(EcrnnError, match=r"^unknown moderator 'clases', did you mean 'classes'\?"):
        analyse_across(sets, moderators=["clases"])
    with pytest.raises(EcrnnError, match=r"^the data set 'table 0' is there twice; splits of one data set are repeats"):
        analyse_across([*sets, sets[0]])


def test_exploratory_pairs_get_neither_adjustment_nor_verdict(studies: list[Path]) -> None:
    pairs = [("ecrnn-bilstm-16", "cnn"), ("crnn-bilstm-16", "cnn")]
    found = analyse_studies(studies, pairs=pairs, exploratory=True)
    assert found.headline == "Exploratory: 2 pairs over 5 data sets, without adjustment and without verdict."
    assert not any("Chosen after the results" in line for line in found.warnings)
    for pair, judged in zip(found.across.pairs, analyse_studies(studies, pairs=pairs).across.pairs, strict=True):
        assert pair.effects == judged.effects
        assert {pair.verdict, pair.p_holm, pair.p_equivalent_holm, pair.wilcoxon_holm} == {None}
        assert judged.verdict is not None
    table, evidence = pairs_table(found), evidence_table(found)
    assert [column.title for column in table.columns][5:7] == ["p", "New data set, 95 %"]
    assert [row[5].values for row in table.rows] == [(pair.effects.p,) for pair in found.across.pairs if pair.effects]
    assert "Holm" not in " ".join([table.caption, evidence.caption, *(one.title for one in evidence.columns)])


def test_a_verdict_against_a_recipe_at_an_edge_says_so(studies: list[Path]) -> None:
    found = analyse_studies(studies, edges={"cnn": ("lr",), "ecrnn-bilstm-16": ("lr",)})
    line = "But lr of the recipe of cnn lies at the edge of the space that was searched"
    verdicts = {(pair.model_a, pair.model_b): line in pair.sentence for pair in found.across.pairs}
    assert verdicts == {
        ("ecrnn-bilstm-16", "cnn"): True,
        ("crnn-bilstm-16", "cnn"): False,  # undecided
        ("crnn-bilstm-16", "ecrnn-bilstm-16"): False,  # against the first, of which no edge is named
    }
    assert found.certainty.endswith("so a better recipe may lie beyond.")
    assert found.certainty.count("But ") == 1
