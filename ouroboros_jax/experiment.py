"""Running a config: what will run, run or resume it, and leave everything where it belongs."""

import contextlib
import sys
import time
from pathlib import Path
from typing import Any

import jax
from ml_collections import ConfigDict

from ouroboros_jax import rundir
from ouroboros_jax.build import build
from ouroboros_jax.config import flatten, identity, to_json
from ouroboros_jax.errors import UserError
from ouroboros_jax.loop import is_complete, run_group
from ouroboros_jax.report import Report, duration
from ouroboros_jax.results import Run, open_run, store_paths
from ouroboros_jax.store import DiskStore, MemoryStore
from ouroboros_jax.sweep import Group, expand


def run(
    config: ConfigDict,
    workdir: str | Path | None = None,
    *,
    name: str | None = None,
    progress: bool = True,
    figures: bool = True,
) -> Run:
    """Run a config, or resume it where `workdir` holds an unfinished run of it.

    Args:
      config: from `load_config`.
      workdir: the run's folder; without one the run is kept in memory.
      name: what the first line calls the run; by default its learner.
      progress: say what happens, on stderr.
      figures: draw the figures at the end, where there is a workdir.

    Returns:
      The same as `open_run(workdir)`.

    Raises:
      UserError: for a config or data that cannot be run, a workdir that is another run's.
    """
    start = time.monotonic()
    point = flatten(config)
    groups = expand(config)
    with jax.enable_x64(point["x64"]):
        first = build(groups[0], point["chain_block"])
        manifest = _manifest(config, first.real, groups)
        if workdir is None:
            return _run(config, groups, manifest, None, name, progress, figures, start)
        workdir = Path(workdir)
        rundir.check_workdir(workdir)
        if (workdir / rundir.MANIFEST).exists():
            _resumed(workdir, manifest)  # refused before anything is written
        workdir.mkdir(parents=True, exist_ok=True)
        lock = rundir.Lock(workdir)
        try:
            if (workdir / rundir.MANIFEST).exists():
                manifest = _resumed(workdir, manifest)
            return _run(config, groups, manifest, workdir, name, progress, figures, start)
        finally:
            lock.release()


def _run(config, groups, manifest, workdir, name, progress, figures, start) -> Run:
    point = flatten(config)
    generations = point["generations"]
    with Report(len(groups) * (generations + 1), quiet=not progress) as report:
        report.say(first_line(config, groups, manifest, workdir, name))
        if workdir and manifest["status"] == "finished":
            before = open_run(workdir)
            if all(is_complete(store, generations) for store in before.stores):
                report.say(_last_line(before, workdir, [], "finished before, nothing to run"))
                return before
        if changed := manifest.pop("changed", None):
            report.say(f"warning: not as it was begun ({changed}): last bits may differ")
        manifest["status"] = "running"
        if workdir:
            rundir.write_text(workdir / rundir.CONFIG, to_json(config))
            _save(workdir, manifest)
            stores = [DiskStore(*store_paths(workdir, g.name), write=True) for g in groups]
        else:
            stores = [MemoryStore() for _ in groups]
        result = Run(config, manifest, stores, workdir)
        try:
            for group, store in zip(groups, stores, strict=True):
                _run_group(group, store, point, manifest, report, workdir)
        except BaseException as error:
            manifest["status"] = "interrupted"
            manifest["reason"] = type(error).__name__
            _save(workdir, manifest)
            if workdir and not isinstance(error, UserError):
                with contextlib.suppress(Exception):  # not to hide what went wrong first
                    _write_metrics(result, workdir)
            raise
        manifest["status"] = "finished"
        manifest.pop("reason", None)
        drawn = _finish(result, workdir, manifest, figures)
        manifest["timings"]["total"] = time.monotonic() - start
        manifest["finished"] = rundir.now()
        _save(workdir, manifest)
        done = f"done in {duration(time.monotonic() - start)}"
        report.say(_last_line(result, workdir, drawn, done))
    return result


def _run_group(group, store, point, manifest, report, workdir) -> None:
    blocks = manifest["chain_blocks"]
    program = None
    if not is_complete(store, point["generations"]):
        program = build(group, blocks.get(group.name, point["chain_block"]))
        blocks[group.name] = program.layout.block
        _save(workdir, manifest)
    report.group(group.name, _label(group, point))
    if program is None:
        report.step("running", point["generations"])
        return
    run_group(
        program,
        store,
        point["generations"],
        every=point["store.every"],
        metrics_every=point["store.metrics_every"],
        report=report,
        clock=manifest["timings"],
    )


def _label(group: Group, point: dict[str, Any]) -> str:
    swept = [path for path in point["sweep"] if path != "seed"]
    fixed = [f"{path}={group.point[path]}" for path in swept if len(set(group.coords[path])) == 1]
    chains = f"{group.num_chains} chain{'s' * (group.num_chains != 1)}"
    return ", ".join([*fixed, chains])


def _manifest(config, real, groups) -> dict[str, Any]:
    versions = rundir.package_versions()
    return {
        "status": "new",
        "started": rundir.now(),
        "identity": {
            "config": identity(config),
            "data_sha256": real.sha256,
            "versions": {name: versions[name] for name in rundir.DECIDE_BITS},
        },
        "chain_blocks": {},
        "versions": versions,
        "devices": [device.device_kind for device in jax.local_devices()],
        "backend": jax.default_backend(),
        "data": {"name": real.name, "origin": real.origin, "sha256": real.sha256},
        "seed": config.seed,
        "groups": [{"name": g.name, "chains": g.num_chains} for g in groups],
        "command": sys.argv,
        "timings": {},
    }


def _resumed(workdir: Path, new: dict[str, Any]) -> dict[str, Any]:
    """The manifest of the run in `workdir`, if it is the one that is asked for.

    Raises:
      UserError: naming the fields that differ.
    """
    old = rundir.read_manifest(workdir)
    differences = rundir.differing(old["identity"]["config"], new["identity"]["config"])
    if old["identity"]["data_sha256"] != new["identity"]["data_sha256"]:
        differences.append("the data's sha256")
    if differences:
        shown = "; ".join(differences[:5])
        more = f" and {len(differences) - 5} more" if len(differences) > 5 else ""
        raise UserError(
            f"workdir {workdir} holds another run, which differs in {shown}{more}; name another "
            "--workdir, or give the same settings"
        )
    changed = rundir.differing(old["identity"]["versions"], new["identity"]["versions"])
    changed += rundir.differing(
        {"backend": old["backend"], "devices": len(old["devices"])},
        {"backend": new["backend"], "devices": len(new["devices"])},
    )
    resumed = old | {"devices": new["devices"], "backend": new["backend"]}
    return resumed | ({"changed": "; ".join(changed)} if changed else {})


def _save(workdir: Path | None, manifest: dict[str, Any]) -> None:
    if workdir:
        rundir.write_json(workdir / rundir.MANIFEST, manifest)


def _write_metrics(result: Run, workdir: Path) -> None:
    from ouroboros_jax.dataset import write

    result.__dict__.pop("metrics", None)
    write(result.assemble(), workdir / rundir.METRICS)


def _finish(result: Run, workdir: Path | None, manifest, figures: bool) -> list[Path]:
    """Metrics, summary and figures of a run whose generations are all there."""
    result.__dict__.pop("metrics", None)
    result.__dict__["metrics"] = result.assemble()
    if not workdir:
        return []
    from ouroboros_jax.dataset import write

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


def first_line(config, groups, manifest, workdir, name: str | None = None) -> str:
    """What will run: learner, regime, chains, generations, data, devices, workdir."""
    point = flatten(config)
    names = {g.point["regime.name"]: None for g in groups}
    chains = sum(group.num_chains for group in groups)
    devices = manifest["devices"]
    learner = point["learner.name"]
    return (
        f"{name + ': ' if name and name != learner else ''}{learner} under {', '.join(names)}, "
        f"{chains} chain{'s' * (chains != 1)}"
        f"{f' in {len(groups)} groups' if len(groups) > 1 else ''}, "
        f"{point['generations']} generations, data {manifest['data']['name']}, "
        f"{len(devices)} {devices[0]} device{'s' * (len(devices) != 1)}, "
        f"workdir {workdir if workdir else '(in memory)'}"
    )


def _last_line(result: Run, workdir, drawn: list[Path], done: str) -> str:
    lines = [f"  {line}" for line in result.summary["headline"]]
    where = f"everything is in {workdir}" if workdir else "kept in memory"
    lines.append(f"{done}: {where}")
    if drawn:
        lines[-1] += "; see " + ", ".join(str(path) for path in drawn[:3])
    return "\n".join(lines)
