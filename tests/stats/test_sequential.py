"""Sequential verdicts: against the procedure written out for one study at a time, and their error rates."""

import math
from dataclasses import replace

import numpy as np
import pytest
from scipy import special
from scipy import stats as scipy_stats

from ecrnn.core.errors import EcrnnError
from ecrnn.stats import corrected_resampled_t, holm
from ecrnn.stats.boundaries import usual_looks
from ecrnn.stats.sequential import BETTER, EQUIVALENT, UNDECIDED, WORSE, SequentialPlan, follow

PLAN = SequentialPlan(usual_looks(10), n_train=700, n_test=300, rope=0.5)


def drawn(seed, means, studies, q=3 / 7, sd=1.0, repeats=10):
    """(studies, pairs, repeats): differences of models whose scores share a luck of the data set."""
    rng, own = np.random.default_rng(seed), sd / math.sqrt(2)
    shape = (studies, len(means), repeats)
    scores = np.array(means)[:, None] + own * (
        math.sqrt(q) * rng.standard_normal((*shape[:2], 1)) + rng.standard_normal(shape)
    )
    pairs = [(a, b) for a in range(len(means)) for b in range(a)]
    return np.stack([scores[:, a] - scores[:, b] for a, b in pairs], axis=1)


class ByHand:
    """One study, (pairs, repeats), a pair and a look at a time."""

    def __init__(self, differences, plan, ready):
        self.have = [[list(d[:r][~np.isnan(d[:r])]) for r in plan.looks] for d in differences]
        self.plan, self.ready, self.pairs = plan, ready, range(len(differences))
        self.word, self.closed = dict.fromkeys(self.pairs, 0), set()
        self.stage, self.repeats = dict.fromkeys(self.pairs, 0), dict.fromkeys(self.pairs, 0)
        self.differ, self.equal, self.side = (dict.fromkeys(self.pairs, 1.0) for _ in range(3))
        for stage in range(len(plan.looks)):
            going = [pair for pair in self.pairs if pair not in self.closed]
            if not going or not all(ready[pair, stage] for pair in going):
                break
            for pair in going:
                self.look_at(pair, stage)
            self.decide(going)
            still = [pair for pair in going if pair not in self.closed]
            self.closed |= {pair for pair in still if stage == len(plan.looks) - 1 or not self.hope(pair, stage)}

    def look_at(self, pair, stage):
        self.stage[pair], plan = stage, self.plan
        for look, r in enumerate(plan.looks):
            if self.repeats[pair] < r <= len(self.have[pair][stage]):
                test = corrected_resampled_t(self.have[pair][stage][:r], plan.n_train, plan.n_test)
                alpha = float(plan.boundaries.sequential_p(test.p, look))
                if alpha < self.differ[pair]:
                    self.differ[pair], self.side[pair] = alpha, np.sign(test.difference)
                low = special.stdtr(r - 1, -(test.difference + plan.rope) / test.standard_error)
                high = special.stdtr(r - 1, (test.difference - plan.rope) / test.standard_error)
                alpha = float(plan.boundaries.sequential_p(max(low, high), look, sides=1))
                self.equal[pair], self.repeats[pair] = min(self.equal[pair], alpha), r

    def decide(self, going):
        given_up = [pair for pair in self.closed if self.word[pair] == 0]
        equal, differ = (holm([p[pair] for pair in self.pairs]) < self.plan.alpha for p in (self.equal, self.differ))
        for pair in going + given_up:
            if equal[pair] or differ[pair]:
                self.word[pair] = EQUIVALENT if equal[pair] else int(self.side[pair])
                self.closed.add(pair)

    def hope(self, pair, stage):
        plan, r = self.plan, self.repeats[pair]
        if r == 0:
            return True
        last, q, look = plan.looks[-1], plan.n_test / plan.n_train, len(plan.looks) - 1
        test = corrected_resampled_t(self.have[pair][stage][:r], plan.n_train, plan.n_test)
        reach = plan.slack * test.sd * math.sqrt(1 / r - 1 / last)
        error = test.sd * math.sqrt(1 / last + q)
        left = [len(self.pairs) - sum(w in words for w in self.word.values()) for words in ((1, -1), (2,))]
        p, p_equal = (plan.boundaries.level(plan.alpha / m, look, sides=s) for m, s in zip(left, (2, 1), strict=True))
        beyond = abs(test.difference) + reach >= -special.stdtrit(last - 1, p / 2) * error
        within = abs(test.difference) - reach <= plan.rope + special.stdtrit(last - 1, p_equal) * error
        return beyond or within


def test_decisions_are_those_of_the_procedure_written_out():
    """Also with failed trainings, studies that have not come to their end, and effects of every kind."""
    rng, seen = np.random.default_rng(1), set()
    for means, sd, rope in (((0, 0, 0), 1, 0.5), ((0, 3, 0), 1, 0.5), ((0, 0.4, 5), 1, 4.0), ((0, 0, 0), 0.1, 0.5)):
        plan = SequentialPlan(PLAN.looks, 700, 300, rope=rope)
        differences = drawn(rng.integers(1000), means, 25, sd=sd)
        differences[rng.random(differences.shape) < 0.04] = np.nan
        ready = rng.random((25, 3, 8)) < 0.97
        course = follow(differences, plan, ready)
        for study in range(25):
            expected = ByHand(differences[study], plan, ready[study])
            for pair in range(3):
                word, is_open = course.verdict[study, pair], course.open[study, pair]
                assert (word, is_open) == (expected.word[pair], pair not in expected.closed)
                assert course.stage[study, pair] == expected.stage[pair]
                look = course.look[study, pair]
                assert (plan.looks[look] if look >= 0 else 0) == expected.repeats[pair]
                seen.add((int(word), bool(is_open)))
    assert seen == {(BETTER, False), (WORSE, False), (EQUIVALENT, False), (UNDECIDED, False), (UNDECIDED, True)}


def test_evidence_of_a_look_is_the_corrected_t_test_of_its_repeats():
    differences = drawn(3, (0, 1), 1)
    course = follow(differences, PLAN)
    for look, repeats in enumerate(PLAN.looks):
        test = corrected_resampled_t(differences[0, 0, :repeats], 700, 300)
        evidence = {name: value[0, 0, look] for name, value in vars(course.evidence).items()}
        assert (evidence["mean"], evidence["sd"]) == pytest.approx((test.difference, test.sd))
        assert (evidence["error"], evidence["p"]) == pytest.approx((test.standard_error, test.p))
        half = scipy_stats.t.isf(PLAN.boundaries.level(0.05, look) / 2, repeats - 1) * test.standard_error
        assert (evidence["low"], evidence["high"]) == pytest.approx((test.difference - half, test.difference + half))


def test_equal_differences_have_the_spread_of_the_corrected_test():
    course = follow(np.full((1, 1, 10), 0.01), SequentialPlan(PLAN.looks, 700, 300, rope=0.0))
    test = corrected_resampled_t([0.01] * 3, 700, 300)
    assert course.evidence.sd[0, 0, 0] == 0
    assert course.evidence.p[0, 0, 0] == pytest.approx(test.p)


def rates(course, truth, rope):
    """Shares of studies with any false better or worse, and with any false equivalent."""
    differs = np.abs(course.verdict) == BETTER
    false = (differs & (course.verdict != np.sign(truth))).any(axis=1).mean()
    return false, ((course.verdict == EQUIVALENT) & (np.abs(truth) >= rope)).any(axis=1).mean()


@pytest.mark.sampled(most=1)
@pytest.mark.parametrize("q", [3 / 7, 1 / 9])
@pytest.mark.parametrize("means", [(0, 0), (0, 0, 0), (0, 0, 4)])
def test_at_most_alpha_of_studies_say_a_false_better_or_worse(q, means):
    studies = 8000
    plan = SequentialPlan(PLAN.looks, 10_000, round(10_000 * q), rope=0.5)
    truth = np.array([means[a] - means[b] for a in range(len(means)) for b in range(a)])
    course = follow(drawn(8, means, studies, q=q), plan)
    noise = 3 * math.sqrt(0.05 * 0.95 / studies)
    false, _ = rates(course, truth, 0.5)
    assert false < 0.05 + noise
    if not any(means):
        assert false > 0.04 - noise  # and the looks do not waste what they may err
    never_given_up = follow(drawn(8, means, studies, q=q), replace(plan, slack=1e9))
    assert rates(never_given_up, truth, 0.5)[0] < 0.05 + noise


@pytest.mark.parametrize("rope", [2.0, 4.0])
def test_at_most_alpha_of_studies_say_a_false_equivalent(rope):
    """Three models, the differences at the edge of the region or beyond it, and one pair that is equal."""
    means, studies = (0, 0, rope), 8000
    course = follow(drawn(9, means, studies), SequentialPlan(PLAN.looks, 700, 300, rope=rope))
    truth = np.array([0, rope, rope])
    false, false_equal = rates(course, truth, rope)
    noise = 3 * math.sqrt(0.05 * 0.95 / studies)
    assert false < 0.05 + noise
    assert 0 < false_equal < 0.05 + noise


def test_peeking_with_the_usual_level_would_be_seen():
    """What the test of errors above says of a boundary that is the usual .05 at every look."""
    differences = drawn(8, (0, 0), 8000)[:, 0]
    stopped = np.zeros(8000, dtype=bool)
    for r in PLAN.looks:
        t = differences[:, :r].mean(axis=1) / (differences[:, :r].std(axis=1, ddof=1) * math.sqrt(1 / r + 3 / 7))
        stopped |= 2 * scipy_stats.t.sf(np.abs(t), r - 1) < 0.05
    assert stopped.mean() > 0.1


def test_repeated_intervals_cover_at_all_looks_together():
    course = follow(drawn(11, (0, 1), 8000), PLAN)
    covered = (course.evidence.low <= 1) & (course.evidence.high >= 1)
    assert covered.all(axis=-1).mean() == pytest.approx(0.95, abs=0.0075)


@pytest.mark.parametrize(
    ("settings", "line"),
    [
        ({"alpha": 1.0}, "alpha must lie strictly between 0 and 1, got 1.0"),
        ({"rope": -0.1}, "rope must be zero or above, got -0.1"),
        ({"slack": math.nan}, "slack must be zero or above, got nan"),
        ({"n_test": 0}, "n_test must be at least 1, got 0"),
    ],
)
def test_a_plan_that_is_none(settings, line):
    with pytest.raises(EcrnnError, match=line):
        SequentialPlan(**{"looks": (3, 4), "n_train": 7, "n_test": 3, "rope": 0.1, **settings})


def test_differences_of_another_shape():
    with pytest.raises(EcrnnError, match=r"\(studies, pairs, 10 repeats\), got shape \(1, 1, 9\)"):
        follow(np.zeros((1, 1, 9)), PLAN)
