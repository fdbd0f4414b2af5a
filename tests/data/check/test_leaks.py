from __future__ import annotations

import numpy as np

from ecrnn.data.check.leaks import leaks


def test_what_a_split_parts_is_found_as_by_looking_at_every_pair():
    rng = np.random.default_rng(0)
    exact = np.sort(rng.integers(0, 60, 100))
    exact = np.array([np.flatnonzero(exact == value)[0] for value in exact])  # the first of each group
    near = np.array([exact[(place // 3) * 3] for place in exact])
    order = rng.permutation(100)
    train, held_out = np.sort(order[:60]), np.sort(order[60:])
    found = leaks(train, held_out, exact, near)
    same = [v for v in held_out if any(exact[v] == exact[t] for t in train)]
    alike = [v for v in held_out if v not in same and any(near[v] == near[t] for t in train)]
    assert found.exact.tolist() == same
    assert found.near.tolist() == alike
    assert 5 < len(same) < 40
    assert len(alike) > 3
    for places, others, groups in ((found.exact, found.exact_of, exact), (found.near, found.near_of, near)):
        assert (groups[places] == groups[others]).all()
        assert np.isin(others, train).all()


def test_nothing_where_each_image_is_its_own():
    own = np.arange(10)
    assert [len(found) for found in leaks(own[:7], own[7:], own, own)] == [0, 0, 0, 0]
