"""`run.json`: what a run is, what it ran on, and whether a folder holds the one asked for."""

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import jax
from ml_collections import ConfigDict

from ouroboros_jax.config import completed, identity
from ouroboros_jax.data.base import RealData
from ouroboros_jax.disk import rundir
from ouroboros_jax.errors import UserError
from ouroboros_jax.forks.lineage import Origin
from ouroboros_jax.sweep import Group

Manifest = dict[str, Any]


def new_manifest(
    config: ConfigDict, real: RealData, groups: Sequence[Group], origin: Origin | None
) -> Manifest:
    """Of a run that has not begun; its `identity` is what tells it from others.

    Args:
      config: what is run.
      real: the data of its first group.
      groups: its chains.
      origin: of a fork.
    """
    versions = rundir.package_versions()
    return {
        "status": "new",
        "started": rundir.now(),
        "identity": {
            "config": identity(config),
            "data_sha256": real.sha256,
            "versions": {name: versions[name] for name in rundir.DECIDE_BITS},
            **({"fork": origin.identity()} if origin else {}),
        },
        **({"fork": origin.to_json()} if origin else {}),
        "chain_blocks": {},
        "versions": versions,
        "devices": [device.device_kind for device in jax.local_devices()],
        "backend": jax.default_backend(),
        "data": {"name": real.name, "origin": real.origin, "sha256": real.sha256}
        | ({"note": real.note} if real.note else {}),
        "seed": config.seed,
        "groups": [{"name": g.name, "chains": g.num_chains} for g in groups],
        "command": sys.argv,
        "timings": {},
    }


def resumed(workdir: Path, new: Manifest) -> Manifest:
    """The manifest of the run in `workdir`, if it is the one that is asked for.

    Raises:
      UserError: naming the fields that differ.
    """
    old = rundir.read_manifest(workdir)
    asked = new["identity"]["config"]
    differences = rundir.differing(completed(old["identity"]["config"], asked), asked)
    if old["identity"]["data_sha256"] != new["identity"]["data_sha256"]:
        differences.append("the data's sha256")
    hashes = [manifest["identity"].get("data_sha256_by_group", {}) for manifest in (old, new)]
    if hashes[0]:  # which runs of earlier versions do not have
        changed = rundir.differing(*hashes)
        differences += [f"the data's sha256 of group {line}" for line in changed]
    forks = [manifest["identity"].get("fork", {}) for manifest in (old, new)]
    differences += [f"fork {line}" for line in rundir.differing(*forks)]
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


def save(workdir: Path | None, manifest: Manifest) -> None:
    """Write it, where there is a folder."""
    if workdir:
        rundir.write_json(workdir / rundir.MANIFEST, manifest)
