"""What storing costs: share of the process's wall time, and bytes on disk beside the parameters'.

python tests/bench/storage.py
"""

import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from timing import show

import ouroboros_jax as oj

ROOT = Path(__file__).parents[2]


def main() -> None:
    """Run both default configs as a user does, each in a process of its own."""
    import jax

    for name in ("gaussian", "gmm"):
        with tempfile.TemporaryDirectory() as folder:
            workdir = Path(folder) / "run"
            command = [sys.executable, "launch.py", f"--config=configs/{name}.py"]
            start = time.perf_counter()
            subprocess.run(
                [*command, f"--workdir={workdir}"],
                check=True,
                cwd=ROOT,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
            )
            wall = time.perf_counter() - start
            timings = json.loads((workdir / "run.json").read_text())["timings"]
            run = oj.open_run(workdir)
            raw = sum(
                leaf.nbytes
                for generation in range(run.generation + 1)
                for leaf in jax.tree.leaves(run.params(generation))
            )
            stored = sum(
                path.stat().st_size
                for path in (workdir / "generations").glob("*/params/**/*")
                if path.is_file()
            )
            show(
                benchmark="storage",
                config=name,
                process_seconds=wall,
                store_seconds=timings["store"],
                store_share=timings["store"] / wall,
                store_share_target=0.05,
                parameter_bytes=raw,
                stored_bytes=stored,
                bytes_ratio=stored / raw,
                bytes_target=1.1,
            )


if __name__ == "__main__":
    main()
