"""What a run left: parameters, samples, training sets, metrics, pictures."""

import json
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ouroboros_jax.config import flatten
from ouroboros_jax.disk import rundir
from ouroboros_jax.disk.manifest import read_manifest
from ouroboros_jax.errors import UserError, listed, whole_number
from ouroboros_jax.forks.lineage import groups_of, origin_in
from ouroboros_jax.keys import new_key
from ouroboros_jax.settings.setting import COUNT
from ouroboros_jax.sweep import Group, expand

if TYPE_CHECKING:
    import xarray

    from ouroboros_jax.disk.store import Store
    from ouroboros_jax.programs.program import Program


class Run:
    """A run, finished or not; `oj.run` and `oj.open_run` return one.

    Attributes:
      config: the resolved config.
      manifest: what `run.json` says: versions, devices, data, seed, status, timings.
      workdir: its folder, or None if the run was kept in memory.
      groups: its chains, by the program that ran them.
      points: the settings of each group.
      stores: where each group's generations are.
    """

    def __init__(self, config, manifest: dict[str, Any], stores: list["Store"], workdir=None):
        self.config = config
        self.manifest = manifest
        self.workdir: Path | None = workdir
        self.groups: list[Group] = groups_of(config, origin_in(manifest), recorded=True)
        self.points = [group.point for group in self.groups]
        self.stores = stores
        self._metrics: "xarray.Dataset | None" = None  # noqa: UP037
        self._summary: dict[str, Any] | None = None
        self._programs: dict[tuple[int, int], Program] = {}

    def __repr__(self) -> str:
        where = f", {self.workdir}" if self.workdir else ", in memory"
        chains = f"{self.num_chains} chain{'s' * (self.num_chains != 1)}"
        return (
            f"<Run {self._named('learner')} under {self._named('regime')}, {chains}, "
            f"{self.manifest['status']} at generation {self.generation} of "
            f"{self.points[0]['generations']}{where}>"
        )

    def _named(self, section: str) -> str:
        """The names of a section in all groups: `replace, accumulate`."""
        return ", ".join(dict.fromkeys(point[f"{section}.name"] for point in self.points))

    @property
    def num_chains(self) -> int:
        """Chains of all groups."""
        return sum(group.num_chains for group in self.groups)

    @property
    def generation(self) -> int:
        """The newest generation that every chain has reached; -1 before the first."""
        return min(store.last() for store in self.stores)

    @property
    def metrics(self) -> "xarray.Dataset":
        """Metrics of every chain and generation, dims (chain, generation, ...)."""
        if self._metrics is None:
            stored = self._stored_metrics()
            self._metrics = self.assemble() if stored is None else stored
        return self._metrics

    def _stored_metrics(self) -> "xarray.Dataset | None":
        """What metrics.nc holds of a finished run; None if it is missing or damaged."""
        path = self.workdir / rundir.METRICS if self.workdir else None
        if path and path.exists() and self.manifest["status"] == "finished":
            import xarray

            try:
                with xarray.open_dataset(path) as stored:
                    return stored.load()
            except (OSError, ValueError, KeyError):
                pass  # the segments hold everything
        return None

    def refresh(self) -> "xarray.Dataset":
        """`metrics`, put together anew after generations were added."""
        self._metrics, self._summary = self.assemble(), None
        return self._metrics

    def assemble(self) -> "xarray.Dataset":
        """`metrics`, put together from the stored segments."""
        from ouroboros_jax.analysis.across import across
        from ouroboros_jax.disk.dataset import assemble, joined

        parts = []
        for number, (group, store) in enumerate(zip(self.groups, self.stores, strict=True)):
            segments = [metrics for _, metrics in store.segments()]
            if not segments:
                parts.append({"status": np.zeros((0, group.num_chains), np.int8)})
                continue
            parts.append(joined(segments))
            if self.manifest["status"] == "finished":
                parts[-1] |= across(self, number)
        point = flatten(self.config)
        attrs = {
            "title": f"{self._named('learner')} under {self._named('regime')}",
            "config": json.dumps(self.manifest["identity"]["config"]),
            "ouroboros_jax": self.manifest["versions"]["ouroboros_jax"],
            "data": self.manifest["data"]["name"],
            "data_origin": self.manifest["data"]["origin"],
        }
        return assemble(self.groups, parts, point, attrs)

    def params(self, generation: int, chain: int | None = None, group: str | None = None) -> Any:
        """Parameters of one generation, a pytree of NumPy arrays.

        Args:
          generation: 0 to the last.
          chain: one chain of the run; without it all, with a leading axis of chains.
          group: which group's chains, if a run has several groups of different shapes.

        Raises:
          UserError: for what does not exist, was thinned out, or is damaged.
        """
        if chain is not None:
            number, place = self._locate(chain)
            return _pick(self.stores[number].params(whole_number("generation", generation)), place)
        names = [g.name for g in self.groups]
        if len(names) > 1 and group is None:
            raise UserError(
                f"this run's chains have {len(names)} shapes; name one with group=, of "
                f"{listed(names[:4])}{' and so on' if len(names) > 4 else ''}, or one chain="
            )
        if group is not None and group not in names:
            raise UserError(f"group={group!r} is not there: expected one of {listed(names)}")
        number = names.index(group) if group is not None else 0
        return self.stores[number].params(whole_number("generation", generation))

    def sample(self, generation: int, chain: int, num_samples: int = 1000, seed: int = 0) -> Any:
        """Points drawn from one stored model, [num_samples, ...], by the run's own sampler."""
        import jax

        number, place = self._locate(chain)
        if not 1 <= whole_number("num_samples", num_samples) <= COUNT:
            raise UserError(f"num_samples={num_samples}: expected 1 to {COUNT:,}")
        if not 0 <= whole_number("seed", seed) < 2**32:
            raise UserError(f"seed={seed}: expected 0 to {2**32 - 1}")
        params = self.params(generation, chain)
        with self.precision():
            program = self.program(number, whole_number("generation", generation) + 1)
            from ouroboros_jax.checkpoint import like

            settings = jax.tree.map(lambda a: a[place, 0], program.settings(generation + 1, 1))
            typed = like(program.state_shapes.params, params)
            points = program.sample(new_key(seed), settings, typed, num_samples)
            return jax.tree.map(np.asarray, points)

    def export(self, generation: int, out: str | Path, chain: int = 0) -> None:
        """A language model of one generation as a folder that transformers loads."""
        from ouroboros_jax.export import export

        number, _ = self._locate(chain)
        export(self.points[number], lambda: self.params(generation, chain), out)

    def decoder(self, chain: int = 0) -> Callable[[Any], str] | None:
        """A function that turns a point, tokens `[T]`, into text; None if points are no text."""
        text = self.program(self._locate(chain)[0]).real.text
        return None if text is None else lambda tokens: text.tokenizer.decode(tokens.tolist())

    def data(self, generation: int, chain: int) -> Any:
        """The exact training set of one generation of one chain, drawn again from what is stored.

        A regime that weights its sources, or trains on few of many, gives the points that counted;
        if the learner was fitted to statistics alone, points with exactly those statistics.
        """
        number, place = self._locate(chain)
        with self.precision():
            from ouroboros_jax.training_set import training_set

            program = self.program(number, whole_number("generation", generation))
            return training_set(program, self.stores[number], generation, place)

    def evaluate(self, data: str, name: str | None = None) -> "xarray.Dataset":
        """Scores of every stored generation on data other than the run's; see `evaluate.py`."""
        from ouroboros_jax.evaluate import evaluate

        return evaluate(self, data, name)[0]

    def compare(self, setting: str, metric: str, **options) -> Any:
        """Paired differences of `metric` between the values of a swept setting, over seeds.

        See `analysis.compare.compare` for the options: `generation`, `baseline`, `level`,
        `num_resamples` and `seed`.
        """
        from ouroboros_jax.analysis.compare import compare

        return compare(self.metrics, setting, metric, **options)

    def plot(
        self,
        metric: str,
        *,
        facet: str | None = None,
        color: str | None = None,
        ax: Any = None,
        band: Sequence[float] = (0.05, 0.95),
    ) -> Any:
        """A figure of `metric` over the generations: median and bands over chains, laws on top.

        Args:
          metric: a variable of `metrics`, or "variance_ratio".
          facet: the swept setting (or "component", "feature") of which each value has a panel.
          color: the same, for the colours.
          ax: Matplotlib's axes to draw into, in one panel; without them a figure is made.
          band: lower and upper quantile over chains.
        """
        from ouroboros_jax.figures import plot

        return plot(self, metric, facet=facet, color=color, ax=ax, band=band)

    @property
    def summary(self) -> dict[str, Any]:
        """The headline numbers, each with its law and z if a law holds."""
        if self._summary is None:
            from ouroboros_jax.analysis.summary import summarise

            self._summary = summarise(self.metrics, self.groups)
        return self._summary

    def _locate(self, chain: int) -> tuple[int, int]:
        """The group of a chain, and its place there."""
        place = whole_number("chain", chain)
        if not 0 <= place < self.num_chains:
            raise UserError(f"chain={chain} is not there: expected 0 to {self.num_chains - 1}")
        for number, group in enumerate(self.groups):
            if place < group.num_chains:
                return number, place
            place -= group.num_chains
        raise AssertionError

    def program(self, number: int, generation: int | None = None) -> "Program":
        """The compiled functions of group `number`, built when first asked for.

        For a fork, those of its own generations; for an earlier `generation`, its source's.
        """
        from ouroboros_jax.programs.build import build

        group = self.groups[number]
        group = group if generation is None else group.at(generation)
        key = number, len(group.before)
        if key not in self._programs:
            block = self.manifest["chain_blocks"].get(group.name, "auto")
            program = build(group, block)
            self.check_data(number, program.real.sha256)
            self._programs[key] = program
        return self._programs[key]

    def check_data(self, number: int, sha256: str, whose: str = "this run") -> None:
        """Refuse real data other than that which group `number` was trained on.

        Raises:
          UserError: with both hashes; `whose` names this run in its sentence.
        """
        hashes = self.manifest["identity"].get("data_sha256_by_group", {})
        one = self.manifest["data"]["sha256"] if len(self.groups) == 1 else None
        recorded = hashes.get(self.groups[number].name, one)
        if recorded not in (None, sha256):
            raise UserError(
                f"data.name={self.points[number]['data.name']!r} is no longer what {whose} was "
                f"trained on: its sha256 begins with {sha256[:8]}, and not with {recorded[:8]}"
            )

    @contextmanager
    def precision(self) -> Iterator[None]:
        """A context with the float width of the run."""
        import jax

        with jax.enable_x64(bool(self.config.x64)):
            yield


def _pick(tree: Any, chain: int) -> Any:
    import jax

    return jax.tree.map(lambda a: a[chain], tree)


def open_run(workdir: str | Path) -> Run:
    """A run from its folder: finished, under way, or cut off.

    Raises:
      UserError: if there is no run, or its files cannot be read.
    """
    from ouroboros_jax.disk.store import DiskStore

    workdir = rundir.as_path(workdir)
    if not workdir.is_dir():
        raise UserError(f"workdir {workdir} is not there: expected the folder of a run")
    manifest = read_manifest(workdir)
    config = rundir.read_config(workdir)
    stores = [
        DiskStore(*rundir.store_paths(workdir, group.name), write=False)
        for group in expand(config, recorded=True)
    ]
    return Run(config, manifest, stores, workdir)
