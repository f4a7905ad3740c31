"""What each verb does, and what they share: the backend, workdirs, stored runs."""

import os
import re
import shlex
import sys
import time
from pathlib import Path
from typing import Any

from ml_collections import ConfigDict

from ouroboros_jax.cli.command import Command, program_name
from ouroboros_jax.config import apply, load_config
from ouroboros_jax.config_files import find_config, packaged_configs
from ouroboros_jax.disk import rundir
from ouroboros_jax.disk.manifest import read_manifest
from ouroboros_jax.disk.sample_files import WRITERS, write_samples
from ouroboros_jax.errors import UserError, listed, nearest
from ouroboros_jax.registry import RUN
from ouroboros_jax.settings.verify import SIZES
from ouroboros_jax.sweep import expand


def run(command: Command) -> int:
    """Run or resume, and say how to continue if interrupted."""
    workdir = command.flags["workdir"]
    if workdir is not None:
        rundir.check_workdir(rundir.as_path(workdir))
    source, generation = command.flags["from"], command.flags["from_generation"]
    if source is not None:
        config, label = _fork_of(command)
    else:
        config, label = _config_of(command)
        _check_no_fork(command)
    groups = expand(config)  # reports all errors of the config before jax is imported
    del groups
    if command.flags["dry_run"]:
        start_backend(command.flags["devices"])
        from ouroboros_jax.dryrun import dry_run

        print(dry_run(config, timed=command.flags["time"]))
        return 0
    if workdir is None:
        workdir = str(default_workdir(label))
    print(f"workdir {workdir}", flush=True)
    try:
        start_backend(command.flags["devices"])
        if source is not None:
            from ouroboros_jax.forks.fork import fork

            fork(source, generation, command.overrides, workdir, name=label)
            return 0
        from ouroboros_jax import experiment

        experiment.run(config, workdir=workdir, name=label, progress=True)
    except KeyboardInterrupt:
        print(f"\n{_interrupted(Path(workdir), command)}", file=sys.stderr)
        return 130
    return 0


def _interrupted(workdir: Path, command: Command) -> str:
    """How far an interrupted run got, and the command that continues it."""
    if not _stored_config(workdir).is_file():
        names = ("config", "from", "from_generation")
        given = [f"--{n}={command.flags[n]}" for n in names if command.flags[n] is not None]
        given += [f"--config.{path}={value}" for path, value in command.overrides.items()]
        again = shlex.join([*given, f"--workdir={workdir}"])
        return (
            f"interrupted before the first generation; start again with: {program_name()} {again}"
        )
    from ouroboros_jax.results import open_run

    reached = open_run(workdir).generation
    where = "before the first generation" if reached < 0 else f"after generation {reached}"
    return (
        f"interrupted {where}; what is there can be opened and plotted; resume with: "
        f"{program_name()} {shlex.join([f'--workdir={workdir}'])}"
    )


def sample(command: Command) -> int:
    """Draw points of one stored generation and write them."""
    out = Path(command.flags["out"])
    if out.suffix not in WRITERS:
        raise UserError(f"--out={out} does not end in {', '.join(WRITERS)}")
    for folder in out.absolute().parents:
        if folder.exists() and not folder.is_dir():
            raise UserError(f"--out={out}: {folder} is a file, expected a folder to write to")
    if out.is_dir():
        raise UserError(f"--out={out} is a folder: expected a file name")
    opened = _open_run(command)
    data = opened.sample(
        generation=command.flags["generation"],
        chain=command.flags["chain"],
        num_samples=command.flags["num_samples"],
        seed=command.flags["seed"],
    )
    decode = opened.decoder(command.flags["chain"]) if out.suffix == ".txt" else None
    told = write_samples(out, data, decode)
    print(f"wrote {out}: {told}")
    return 0


def evaluate(command: Command) -> int:
    """Score stored generations on other data."""
    opened = _open_run(command)
    from ouroboros_jax.evaluate import evaluate as score

    scores, path = score(opened, command.flags["data"], command.flags["name"])
    for metric, values in scores.data_vars.items():
        if values.ndim == 2:
            mean = values.mean("chain", skipna=True)
            first, last = (float(mean[g]) for g in (0, -1))
            end = scores.generation.size - 1
            print(f"{metric}: {first:.4g} at generation 0, {last:.4g} at {end}")
    print(f"wrote {path}")
    return 0


def figures(command: Command) -> int:
    """Draw a run's figures again."""
    for path in command.overrides:
        if not path.startswith("figures."):
            known = [path for path in RUN if path.startswith("figures.")]
            raise UserError(
                f"figures takes no --config.{path}: of a finished run only {listed(known)} can "
                "change"
            )
    if command.flags["config"]:
        raise UserError("figures takes no --config: the run's own is in its workdir")
    folder = Path(command.flags["workdir"]) / "figures"
    opened = _open_run(command)
    rundir.check_writable(folder)
    changed = apply(opened.config, command.overrides)
    with opened.config.unlocked():
        opened.config.figures = changed.figures
    from ouroboros_jax import figures as drawing

    drawing.draw(opened)
    print(f"figures in {folder}")
    return 0


def export(command: Command) -> int:
    """Write one stored generation in the layout of its family."""
    opened = _open_run(command)
    from ouroboros_jax.export import check_learner

    check_learner(opened.config.learner.name)
    chosen = {name: command.flags[name] for name in ("generation", "chain", "out")}
    opened.export(**chosen)
    print(f"wrote {command.flags['out']}")
    return 0


def verify(command: Command) -> int:
    """Print a table of laws beside the code's results."""
    size = command.flags["size"]
    if size not in SIZES:
        raise UserError(
            f"--size={size!r} is unknown: expected {listed(SIZES)}{nearest(size, SIZES)}"
        )
    start_backend(command.flags["devices"])
    from ouroboros_jax.verify.report import print_table

    return print_table(size)


RUNNERS = {
    "run": run,
    "sample": sample,
    "evaluate": evaluate,
    "figures": figures,
    "export": export,
    "verify": verify,
}


# What verbs share


def start_backend(devices: int | None) -> None:
    """Import jax and set the number of CPU devices, which can be done only before its first use."""
    import jax

    available = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    try:
        jax.config.update("jax_num_cpu_devices", devices or available or 1)
    except RuntimeError:  # the backend is already in use, as when `main` is called from Python
        if devices is not None and len(jax.devices("cpu")) != devices:
            raise UserError(
                f"--devices={devices} comes too late: jax already runs with "
                f"{len(jax.devices('cpu'))} CPU devices in this process"
            ) from None


def default_workdir(label: str) -> Path:
    """runs/<config name>-<timestamp>, one that does not exist yet."""
    stem = re.sub(r"[^\w.-]+", "-", label).strip("-")
    first = path = Path("runs") / f"{stem}-{time.strftime('%Y%m%d-%H%M%S')}"
    number = 2
    while path.exists():
        path = first.with_name(f"{first.name}_{number}")
        number += 1
    return path


def _config_of(command: Command) -> tuple[ConfigDict, str]:
    """The config a command runs, and its name."""
    name, workdir = command.flags["config"], command.flags["workdir"]
    if name is not None:
        path, variant = find_config(name)
        config = load_config(name, command.overrides)
        return config, f"{path.stem}:{variant}" if variant else path.stem
    if workdir is None:
        packaged = ", ".join(packaged_configs())
        raise UserError(
            f"what is to run? --config={packaged} or a file of your own, or --workdir of a run to "
            "resume; --help says more"
        )
    path = _stored_config(Path(workdir))
    if not path.is_file():
        raise UserError(
            f"--workdir={workdir} holds no run to resume (no config.json): add --config"
        )
    return apply(rundir.read_config(Path(workdir)), command.overrides), Path(workdir).name


def _fork_of(command: Command) -> tuple[ConfigDict, str]:
    """The config of the fork that a command requests, and its name."""
    from ouroboros_jax.forks.lineage import forked_config

    source, generation = Path(command.flags["from"]), command.flags["from_generation"]
    _check_is_run(source, "--from")
    config = forked_config(rundir.read_config(source), command.overrides, generation)
    return config, f"{source.resolve().name}-from-{generation}"


def _check_no_fork(command: Command) -> None:
    """Refuse to treat a fork as the run of its config."""
    name, workdir = command.flags["config"], command.flags["workdir"]
    if name is None or workdir is None or not (Path(workdir) / rundir.MANIFEST).is_file():
        return
    told = read_manifest(Path(workdir)).get("fork")
    if told is not None:
        raise UserError(
            f"workdir {workdir} holds a fork of {told['workdir'] or 'a run in memory'} after "
            f"generation {told['generation']}: --workdir alone resumes it"
        )


def _stored_config(workdir: Path) -> Path:
    return workdir / rundir.CONFIG


def _open_run(command: Command) -> Any:
    """The run in a workdir, which is checked to hold one before jax is imported."""
    workdir = Path(command.flags["workdir"])
    _check_is_run(workdir, "--workdir")
    start_backend(command.flags["devices"])
    from ouroboros_jax.results import open_run

    return open_run(str(workdir))


def _check_is_run(path: Path, flag: str) -> None:
    """Refuse a folder that holds no run, suggesting a similar name beside it."""
    if not _stored_config(path).is_file():
        what = "is not there" if not path.exists() else f"holds no run (no {rundir.CONFIG})"
        beside = path.parent.glob(f"*/{rundir.CONFIG}") if path.parent.is_dir() else []
        near = nearest(path, [other.parent for other in beside])
        raise UserError(f"{flag}={path} {what}{near}")
