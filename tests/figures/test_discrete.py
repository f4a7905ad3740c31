"""The pictures of discrete runs are drawn of every kind of run, with what they claim to show."""

import numpy as np
import pytest

import ouroboros_jax as oj
from ouroboros_jax import figures
from ouroboros_jax.errors import UserError
from ouroboros_jax.figures import discrete
from ouroboros_jax.sweep import expand

pytestmark = pytest.mark.usefixtures("quick_compilation")

NO_LAW = {"sampler.temperature": 0.8}
RUNS = {
    "zipf": (
        "categorical",
        {},
        {"surviving", "surviving_share", "rank_frequency", "heterozygosity"},
    ),
    "tempered": ("categorical", NO_LAW, {"surviving", "rank_frequency", "entropy"}),
    "swept": ("categorical:suresh_zipf", {}, {"surviving", "surviving_share", "rank_frequency"}),
    "grid": ("categorical:cardinality", {}, {"surviving", "rank_frequency"}),
    "bernoulli": ("categorical:bernoulli", {}, {"survival", "heterozygosity"}),
    "poisson": ("poisson", {}, {"survival", "mean_squared_error"}),
    "rates": ("poisson:rates", {}, {"survival"}),
    "one fit": ("categorical", {"generations": 0, "chains": 1}, {"surviving", "rank_frequency"}),
    "one count": ("poisson", {"generations": 0, "chains": 1}, {"survival"}),
}


class FakeRun:
    """A run of a config, drawn by NumPy under `replace`."""

    def __init__(self, name, overrides):
        import xarray as xr

        self.config = oj.load_config(name, {"chains": 6, "generations": 4} | overrides)
        self.workdir, self.groups = None, expand(self.config)
        self.manifest = {"data": {"name": self.config.data.name}}
        self.points = [group.point for group in self.groups]
        rng, total = np.random.default_rng(0), int(self.config.generations) + 1
        self.paths = []
        for group in self.groups:
            n = int(group.point["num_samples"])
            for _ in range(group.num_chains):
                path = [np.sort(rng.dirichlet(np.full(40, 0.3)))[::-1]]
                for _ in range(total - 1):
                    path.append(rng.multinomial(n, path[-1]) / n)
                self.paths.append(np.array(path))
        path = np.array(self.paths)
        alive = (path > 0).sum(2)
        values = {
            "surviving": alive,
            "surviving_share": alive / alive[:, :1],
            "rare_surviving": (path[:, :, -1] > 0).astype(int),
            "rare_mass": path[:, :, -3:].sum(2),
            "heterozygosity": 1 - np.square(path).sum(2),
            "entropy": -np.where(path > 0, path * np.log(np.where(path > 0, path, 1)), 0).sum(2),
        }
        if group.point["learner.name"] == "poisson":
            values = {"is_alive": alive > 30, "mean_squared_error": path[:, :, 0]}
        coords = {"generation": np.arange(total)}
        for key in self.groups[0].coords:
            column = np.concatenate([group.coords[key] for group in self.groups])
            coords[key] = ("chain", column)
        names = np.repeat([g.name for g in self.groups], [g.num_chains for g in self.groups])
        coords["group"] = ("chain", names)
        variables = {
            k: (("chain", "generation"), np.asarray(v, np.float64)) for k, v in values.items()
        }
        variables["status"] = (("chain", "generation"), np.zeros(path.shape[:2], np.int8))
        self.metrics = xr.Dataset(variables, coords)

    def params(self, generation, chain=None):
        return {"probabilities": self.paths[chain][generation]}


@pytest.mark.parametrize("kind", RUNS)
def test_every_figure_is_drawn(kind, monkeypatch):
    monkeypatch.setitem(figures.style.STYLE, "savefig.dpi", 30)
    name, overrides, expected = RUNS[kind]
    run = FakeRun(name, overrides)
    with np.errstate(all="raise", under="ignore"):
        chosen = figures.figures_of(run)
        assert expected <= set(chosen)
        for make in chosen.values():
            assert figures.style.png(make()).startswith(b"\x89PNG")


def texts(figure):
    return " ".join(text.get_text() for legend in figure.legends for text in legend.get_texts())


def test_laws_and_bounds_only_where_they_hold():
    plain, tempered = (FakeRun(*RUNS[kind][:2]) for kind in ("zipf", "tempered"))
    assert "Wright-Fisher" in texts(discrete.surviving(plain))
    assert "Corollary 1" in texts(discrete.surviving(plain))
    assert "law" not in texts(discrete.surviving(tempered))
    assert "Corollary 1" not in texts(discrete.surviving(tempered))
    assert "Theorem 1" in texts(
        discrete.survival(FakeRun(*RUNS["bernoulli"][:2]), "rare_surviving")
    )
    assert "g_k" in texts(discrete.survival(FakeRun(*RUNS["poisson"][:2]), "is_alive"))


def test_the_bounds_hold_the_law():
    """What is drawn as bounds brackets what is drawn as law, in every panel and generation."""
    figure = discrete.survival(FakeRun(*RUNS["bernoulli"][:2]), "rare_surviving")
    (ax,) = figure.axes
    laws = [line.get_ydata() for line in ax.lines if line.get_color() == discrete.INK]
    lows = [line.get_ydata() for line in ax.lines if line.get_color() == discrete.BOUND["color"]]
    assert len(laws) == len(lows) == 3
    for law, low in zip(laws, lows, strict=True):
        assert (np.asarray(low) <= np.asarray(law) + 1e-12).all()


def test_generations_that_were_thinned_are_left_out():
    class Thinned(FakeRun):
        def params(self, generation, chain=None):
            if generation % 2:
                raise UserError("not kept")
            return super().params(generation, chain)

    figure = discrete.rank_frequency(Thinned(*RUNS["zipf"][:2]))
    assert "generation 2" in texts(figure) and "generation 1:" not in texts(figure)
