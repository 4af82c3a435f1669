"""Points that stand for many."""

import numpy as np

from palmar.geometry import farthest_points


def test_each_is_the_farthest_from_those_before():
    line = np.array([[0.0], [1.0], [10.0], [4.0], [7.0]])
    np.testing.assert_array_equal(farthest_points(line, 4), [0, 2, 3, 4])
    assert farthest_points(line, 2, first=1).tolist() == [1, 2]
    assert sorted(farthest_points(line, 99).tolist()) == [0, 1, 2, 3, 4]


def test_no_point_is_left_far_away():
    cloud = np.random.default_rng(0).normal(size=(300, 3))
    few = farthest_points(cloud, 30)
    reach = np.linalg.norm(cloud[:, None] - cloud[few], axis=-1).min(1).max()
    apart = np.linalg.norm(cloud[few][:, None] - cloud[few], axis=-1)[~np.eye(30, dtype=bool)].min()
    assert len(set(few.tolist())) == 30
    assert reach <= apart  # what is left is nearer to a chosen one than these are to each other
