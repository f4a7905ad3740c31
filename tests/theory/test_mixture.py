"""The exact squared L2 between mixtures against quadrature."""

import numpy as np
from scipy.stats import multivariate_normal

from ouroboros_jax.theory import mixture

P = mixture.Gaussians(
    np.array([0.3, 0.7]),
    np.array([[-1.0, 0.5], [1.0, -0.2]]),
    np.array([[[1.0, 0.3], [0.3, 0.5]], [[0.4, -0.1], [-0.1, 0.8]]]),
)
Q = mixture.Gaussians(np.array([1.0]), np.zeros((1, 2)), np.eye(2)[None])


def test_squared_l2_equals_quadrature():
    x = np.linspace(-9, 9, 401)
    grid = np.stack(np.meshgrid(x, x, indexing="ij"), -1)

    def density(p):
        return sum(w * multivariate_normal(m, s).pdf(grid) for w, m, s in zip(*p, strict=True))

    square = np.square(density(P) - density(Q)).sum() * (x[1] - x[0]) ** 2
    np.testing.assert_allclose(mixture.squared_l2(P, Q), square, rtol=1e-12)


def test_distance_to_itself_is_zero_whatever_the_labels():
    swapped = mixture.Gaussians(*(a[::-1] for a in P))
    assert mixture.squared_l2(P, P) < 1e-15
    assert mixture.squared_l2(P, swapped) < 1e-15
    assert mixture.squared_l2(P, Q) == mixture.squared_l2(Q, P)


def test_a_collapsed_gaussian_dominates_the_distance():
    for d in (1, 2, 3):
        s = 1e-6 * np.eye(d)
        point = mixture.Gaussians(np.ones(1), np.full((1, d), 0.1), s[None])
        norm = mixture.inner_product(point, point)
        collapsed = mixture.collapsed_squared_l2(np.linalg.slogdet(s)[1], d)
        np.testing.assert_allclose(collapsed, norm, rtol=1e-12)
    np.testing.assert_allclose(collapsed, (4 * np.pi) ** -1.5 * 1e9)
    np.testing.assert_allclose(mixture.collapsed_squared_l2(np.log(1e-8), 2), 1e4 / (4 * np.pi))


def test_suresh_bound_of_the_symmetric_mixture():
    """n = 10, eps = .1: 1 until k = 80, .50 at k = 120."""
    bound = mixture.suresh_bound(np.array([20, 40, 80, 120]) - 1, 10, 0.1)
    np.testing.assert_allclose(bound, [1, 1, 1, 0.498], atol=5e-4)
