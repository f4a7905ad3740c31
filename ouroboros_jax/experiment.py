"""Running a config: say what will run, run or resume it, and put the results in their places."""

import contextlib
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import jax
import numpy as np
from ml_collections import ConfigDict

from ouroboros_jax.checks import check_watched, unread
from ouroboros_jax.config import flatten, identity, to_json
from ouroboros_jax.data.base import RealData, check_counts
from ouroboros_jax.disk import rundir
from ouroboros_jax.disk.manifest import Manifest, new_manifest, read_manifest, resumed, save
from ouroboros_jax.disk.store import DiskStore, MemoryStore, Store
from ouroboros_jax.errors import UserError
from ouroboros_jax.forks.inheritance import inherit
from ouroboros_jax.forks.lineage import Origin, groups_of, origin_in
from ouroboros_jax.host.ahead import compiled_ahead
from ouroboros_jax.host.lines import first_line, label, last_lines
from ouroboros_jax.host.loop import Retention, run_group
from ouroboros_jax.host.report import Report, duration
from ouroboros_jax.host.restore import is_complete
from ouroboros_jax.programs.build import build
from ouroboros_jax.programs.factories import make_real
from ouroboros_jax.programs.own import check_selector
from ouroboros_jax.programs.program import Program
from ouroboros_jax.registry import SECTIONS
from ouroboros_jax.results import Run, open_run
from ouroboros_jax.sweep import Group
from ouroboros_jax.vectorize import lapack_on_one_thread

NO_BLOCKS: Mapping[str, int] = {}


class _Job(NamedTuple):
    """What to run, and how to report it."""

    config: ConfigDict
    point: dict[str, Any]  # the config, flat
    groups: list[Group]
    source: Run | None
    name: str | None
    progress: bool
    figures: bool
    begun: float


def run(
    config: ConfigDict,
    workdir: str | Path | None = None,
    *,
    name: str | None = None,
    progress: bool = True,
    figures: bool = True,
) -> Run:
    """Run a config, or resume it if `workdir` holds an unfinished run of it.

    Args:
      config: from `load_config`.
      workdir: the run's folder; without one the run is kept in memory.
      name: what the first line calls the run; by default its learner.
      progress: report progress on stderr.
      figures: draw the figures at the end, if there is a workdir.

    Returns:
      The same as `open_run(workdir)`.

    Raises:
      UserError: for a config or data that cannot be run, a workdir that is another run's.
    """
    origin = _stored_origin(config, workdir)
    return launch(config, workdir, origin=origin, name=name, progress=progress, figures=figures)


def launch(
    config: ConfigDict,
    workdir: str | Path | None = None,
    *,
    origin: Origin | None = None,
    source: Run | None = None,
    blocks: Mapping[str, int] = NO_BLOCKS,
    name: str | None = None,
    progress: bool = True,
    figures: bool = True,
) -> Run:
    """As `run`, also for forks, whose first generations come from `origin`.

    Args:
      config, workdir, name, progress, figures: as `run` takes them.
      origin: where a fork comes from; None for other runs.
      source: the run that is forked; if needed, by default the one in the folder of `origin`.
      blocks: the width of the blocks of chains, by group, if it is known.
    """
    begun = time.monotonic()
    check_watched(flatten(config))
    point, groups = flatten(config), groups_of(config, origin)
    job = _Job(config, point, groups, source, name, progress, figures, begun)
    with jax.enable_x64(point["x64"]):
        first = build(groups[0], blocks.get(groups[0].name, point["chain_block"]))
        manifest = new_manifest(config, first.real, groups, origin) | {"chain_blocks": dict(blocks)}
        _try_own(groups)
        if hashes := _checked_data(groups, first.real):
            manifest["identity"]["data_sha256_by_group"] = hashes
        if workdir is None:
            return _run(job, manifest, None)
        workdir = rundir.as_path(workdir)
        rundir.check_workdir(workdir)
        if (workdir / rundir.MANIFEST).exists():
            resumed(workdir, manifest)  # refused before anything is written
        workdir.mkdir(parents=True, exist_ok=True)
        lock = rundir.Lock(workdir)
        try:
            if (workdir / rundir.MANIFEST).exists():
                manifest = resumed(workdir, manifest)
            if first.real.text is not None:
                first.real.text.tokenizer.keep(workdir / "tokenizer")
            return _run(job, manifest, workdir)
        finally:
            lock.release()


def _stored_origin(config: ConfigDict, workdir: str | Path | None) -> Origin | None:
    """Where the fork in `workdir` comes from, if it is one of this config."""
    if workdir is None or not (rundir.as_path(workdir) / rundir.MANIFEST).exists():
        return None
    manifest = read_manifest(rundir.as_path(workdir))
    same = manifest["identity"]["config"] == identity(config)
    return origin_in(manifest) if same else None


def _run(job: _Job, manifest: Manifest, workdir: Path | None) -> Run:
    groups, generations = job.groups, job.point["generations"]
    with Report(len(groups) * (generations + 1), quiet=not job.progress) as report:
        _say_what_runs(job, manifest, workdir, report)
        if workdir and manifest["status"] == "finished":
            before = open_run(workdir)
            if all(is_complete(store, generations) for store in before.stores):
                report.say(last_lines(before, workdir, [], "finished before, nothing to run"))
                return before
        if changed := manifest.pop("changed", None):
            report.say(f"warning: not as it was begun ({changed}): last bits may differ")
        manifest["status"] = "running"
        stores = [MemoryStore() for _ in groups]
        if workdir:
            rundir.write_text(workdir / rundir.CONFIG, to_json(job.config))
            save(workdir, manifest)
            stores = [DiskStore(*rundir.store_paths(workdir, g.name), write=True) for g in groups]
        result = Run(job.config, manifest, stores, workdir)
        try:
            _run_groups(job, stores, manifest, report, workdir)
        except BaseException as error:
            _note_end(error, result, manifest, workdir)
            raise
        manifest["status"] = "finished"
        manifest.pop("reason", None)
        drawn = _finish(result, workdir, manifest, job.figures)
        manifest["timings"]["total"] = time.monotonic() - job.begun
        manifest["finished"] = rundir.now()
        save(workdir, manifest)
        done = f"done in {duration(time.monotonic() - job.begun)}"
        report.say(last_lines(result, workdir, drawn, done))
    return result


def _say_what_runs(job: _Job, manifest: Manifest, workdir: Path | None, report: Report) -> None:
    report.say(first_line(job.config, job.groups, manifest, workdir, job.name))
    if note := manifest["data"].get("note"):
        report.say(f"NOTE: {note}")
    if idle := unread(job.point):
        report.say(f"note: {idle}")


def _run_groups(
    job: _Job, stores: Sequence[Store], manifest: Manifest, report: Report, workdir: Path | None
) -> None:
    """Run the groups that are not complete, while the programs of the next ones are compiled."""
    makers = [
        None if is_complete(store, job.point["generations"]) else _maker(group, job.point, manifest)
        for group, store in zip(job.groups, stores, strict=True)
    ]
    programs = compiled_ahead(makers, x64=job.point["x64"])
    with contextlib.closing(programs):
        for group, store, program in zip(job.groups, stores, programs, strict=True):
            _run_group(job, group, program, store, manifest, report, workdir)


def _note_end(error: BaseException, result: Run, manifest: Manifest, workdir: Path | None) -> None:
    """Record in run.json how a run ended, and write the metrics so far."""
    manifest["status"] = "interrupted"
    manifest["reason"] = type(error).__name__
    save(workdir, manifest)
    if workdir and not isinstance(error, UserError):
        with contextlib.suppress(Exception):  # so as not to hide the first error
            _write_metrics(result, workdir)


def _maker(group: Group, point: dict[str, Any], manifest: Manifest) -> Callable[[], Program]:
    """Builds a group's program, in blocks as wide as when it was begun."""
    block = manifest["chain_blocks"].get(group.name, point["chain_block"])
    return lambda: build(group, block)


def _run_group(job: _Job, group: Group, program, store, manifest, report, workdir) -> None:
    point = job.point
    report.group(group.name, label(group, point))
    if program is None:
        report.resume(point["generations"])
        report.step("running", point["generations"])
        return
    manifest["chain_blocks"][group.name] = program.layout.block
    save(workdir, manifest)
    if origin := origin_in(manifest):
        inherit(group, store, origin, job.source)
    retention = Retention(
        last=point["generations"],
        every=point["store.every"],
        metrics_every=point["store.metrics_every"],
    )
    clock = manifest["timings"]
    with lapack_on_one_thread(program.layout):
        run_group(program, store, retention, report=report, clock=clock)


def _try_own(groups: list[Group]) -> None:
    """Build a group of every further combination of names with a user's own, for what it refuses.

    Raises:
      UserError: before anything runs, if one of them fails.
    """
    seen = {_names(groups[0])}
    for group in groups:
        names = _names(group)
        if names not in seen and any(":" in name for name in names):
            build(group)
        seen.add(names)


def _names(group: Group) -> tuple[str, ...]:
    return tuple(group.point[f"{section}.name"] for section in SECTIONS)


def _checked_data(groups: Sequence[Group], first: RealData) -> dict[str, str]:
    """The sha256 of each group's real data, if a sweep has several data sets.

    Raises:
      UserError: before anything runs, if a data set is missing, too small, or cannot be scored by
        its selector.
    """
    found: dict[tuple, RealData] = {}
    hashes = {}
    for group in groups:
        data = tuple((path, repr(v)) for path, v in group.point.items() if path.startswith("data."))
        if data not in found:
            found[data] = make_real(group.point) if found else first
        num_data = int(group.counts(np.arange(1))["num_data"].max())
        check_counts(found[data], num_data=num_data)
        check_selector(group, found[data])
        hashes[group.name] = found[data].sha256
    return hashes if len(set(hashes.values())) > 1 else {}


def _write_metrics(result: Run, workdir: Path) -> None:
    from ouroboros_jax.disk.dataset import write

    write(result.refresh(), workdir / rundir.METRICS)


def _finish(result: Run, workdir: Path | None, manifest: Manifest, figures: bool) -> list[Path]:
    """Metrics, summary and figures of a run whose generations are complete."""
    result.refresh()
    if not workdir:
        return []
    from ouroboros_jax.disk.dataset import write

    start = time.monotonic()
    write(result.metrics, workdir / rundir.METRICS)
    rundir.write_json(workdir / rundir.SUMMARY, result.summary)
    manifest["timings"]["results"] = time.monotonic() - start
    if not figures:
        return []
    from ouroboros_jax.figures import draw

    start = time.monotonic()
    drawn = draw(result)
    manifest["timings"]["figures"] = time.monotonic() - start
    return drawn
