"""`run.json`: what a run is, what it ran on, and whether a folder holds a given run.

Imports no jax until a run begins.
"""

import importlib.metadata
import platform
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ml_collections import ConfigDict

import ouroboros_jax
from ouroboros_jax.config import completed, flatten, identity
from ouroboros_jax.disk import rundir
from ouroboros_jax.errors import UserError
from ouroboros_jax.forks.lineage import Origin
from ouroboros_jax.stamps import sha256_of
from ouroboros_jax.sweep import Group

if TYPE_CHECKING:
    from ouroboros_jax.data.base import RealData

Manifest = dict[str, Any]
FIELDS = {  # required for opening a run
    "status": str,
    "identity": {"config": dict, "data_sha256": str | None, "versions": dict},
    "chain_blocks": dict,
    "versions": {"ouroboros_jax": str},
    "devices": list,
    "backend": str,
    "data": {"name": str, "origin": str | None, "sha256": str | None},
    "timings": dict,
    "fork": {"source": str, "generation": int, "eras": list},
}
OF_SOME = ("fork", "timings")  # only forks have the one, and runs of early versions lack the other
DECIDE_BITS = ("jax", "jaxlib")  # packages whose versions may change the last bits of a run
RECORDED = (*DECIDE_BITS, "flax", "optax", "orbax-checkpoint", "numpy", "xarray")


def read_manifest(workdir: Path) -> dict[str, Any]:
    """The content of `run.json`.

    Raises:
      UserError: if it is missing, not JSON, or not a run's.
    """
    manifest = rundir.read_json(workdir / rundir.MANIFEST)
    _check_fields(workdir / rundir.MANIFEST, manifest, FIELDS, "")
    return manifest


def _check_fields(path: Path, found: Any, fields: Mapping[str, Any], within: str) -> None:
    """Refuse an object that lacks a field, or has one of another type."""
    for name, kind in fields.items():
        if name in OF_SOME and name not in found:
            continue
        value = found.get(name, ...) if isinstance(found, dict) else ...
        if not isinstance(value, dict if isinstance(kind, dict) else kind):
            raise UserError(f"{path} is no run's: it does not say {within}{name!r} as a run does")
        if isinstance(kind, dict):
            _check_fields(path, value, kind, f"{within}{name!r}: ")


def package_versions() -> dict[str, str]:
    """Versions of the packages on which a run's numbers may depend."""
    versions = {"python": platform.python_version(), "ouroboros_jax": ouroboros_jax.__version__}
    return versions | {name: importlib.metadata.version(name) for name in RECORDED}


def new_manifest(
    config: ConfigDict, real: "RealData", groups: Sequence[Group], origin: Origin | None
) -> Manifest:
    """The manifest of a run that has not begun; its `identity` tells it from other runs.

    Args:
      config: the run's.
      real: the data of its first group.
      groups: its chains.
      origin: where a fork comes from; None for other runs.
    """
    import jax

    versions = package_versions()
    return {
        "status": "new",
        "started": rundir.now(),
        "identity": {
            "config": identity(config),
            "data_sha256": real.sha256,
            "versions": {name: versions[name] for name in DECIDE_BITS},
            **_checkpoint_hashes(groups),
            **({"fork": origin.identity()} if origin else {}),
        },
        **({"fork": origin.to_json()} if origin else {}),
        "chain_blocks": {},
        "versions": versions,
        "devices": [device.device_kind for device in jax.local_devices()],
        "backend": jax.default_backend(),
        "data": {"name": real.name, "origin": real.origin, "sha256": real.sha256}
        | ({"note": real.note} if real.note else {}),
        "seed": flatten(config)["seed"],
        "groups": [{"name": g.name, "chains": g.num_chains} for g in groups],
        "command": sys.argv,
        "timings": {},
    }


def _checkpoint_hashes(groups: Sequence[Group]) -> dict[str, dict[str, str]]:
    """The sha256 of every checkpoint that the groups begin from."""
    names = {group.point.get("learner.checkpoint") for group in groups} - {None, ""}
    if not names:
        return {}
    from ouroboros_jax.models.checkpoints import files_of

    return {"checkpoint_sha256": {name: sha256_of(files_of(name)) for name in sorted(names)}}


def resumed(workdir: Path, new: Manifest) -> Manifest:
    """The manifest of the run in `workdir`, if that is the run of `new`.

    Raises:
      UserError: naming the fields that differ.
    """
    old = read_manifest(workdir)
    asked = new["identity"]["config"]
    differences = differing(completed(old["identity"]["config"], asked), asked)
    if old["identity"]["data_sha256"] != new["identity"]["data_sha256"]:
        differences.append("the data's sha256")
    hashes = [manifest["identity"].get("data_sha256_by_group", {}) for manifest in (old, new)]
    if hashes[0]:  # missing in runs of earlier versions
        differences += [f"the data's sha256 of group {line}" for line in differing(*hashes)]
    bases = [manifest["identity"].get("checkpoint_sha256", {}) for manifest in (old, new)]
    if bases[0]:
        differences += [f"the sha256 of learner.checkpoint {line}" for line in differing(*bases)]
    forks = [manifest["identity"].get("fork", {}) for manifest in (old, new)]
    differences += [f"fork {line}" for line in differing(*forks)]
    if differences:
        shown = "; ".join(differences[:5])
        more = f" and {len(differences) - 5} more" if len(differences) > 5 else ""
        raise UserError(
            f"workdir {workdir} holds another run, which differs in {shown}{more}; name another "
            "--workdir, or give the same settings"
        )
    changed = differing(old["identity"]["versions"], new["identity"]["versions"])
    changed += differing(
        {"backend": old["backend"], "devices": len(old["devices"])},
        {"backend": new["backend"], "devices": len(new["devices"])},
    )
    here = {"devices": new["devices"], "backend": new["backend"]}
    return old | here | ({"changed": "; ".join(changed)} if changed else {})


def save(workdir: Path | None, manifest: Manifest) -> None:
    """Write it, if there is a folder."""
    if workdir:
        rundir.write_json(workdir / rundir.MANIFEST, manifest)


def differing(old: dict[str, Any], new: dict[str, Any]) -> list[str]:
    """`field: old -> new` for every field in which two runs differ."""

    def shown(fields, name):
        return repr(fields[name]) if name in fields else "(absent)"

    return [
        f"{name}: {shown(old, name)} -> {shown(new, name)}"
        for name in sorted(old.keys() | new.keys())
        if shown(old, name) != shown(new, name)
    ]
