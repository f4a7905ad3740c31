"""Config files: where they are, and how one is read."""

import hashlib
import importlib.util
from pathlib import Path
from types import ModuleType

from ouroboros_jax.errors import UserError, failure, nearest


def find_config(name: str) -> tuple[Path, str]:
    """The config file and the argument that a name such as "gmm:shumailov" stands for."""
    text, _, argument = str(name).partition(":")
    if not text.endswith(".py"):
        packaged = packaged_configs()
        if text not in packaged:
            raise UserError(
                f"there is no config {text!r}: expected a file such as configs/gmm.py, or "
                f"{', '.join(packaged)}{nearest(text, packaged)}"
            )
        return packaged[text], argument
    path = Path(text)
    if not path.is_file():
        near = [str(other) for other in path.parent.glob("*.py")] if path.parent.is_dir() else []
        hint = nearest(text, near or packaged_configs())
        raise UserError(f"there is no config file {text!r}{hint}")
    return path, argument


def packaged_configs() -> dict[str, Path]:
    """The configs that come with the package: in a wheel inside it, in a checkout beside it."""
    package = Path(__file__).parent
    folders = [package / "_configs", package.parent / "configs"]
    folder = next((folder for folder in folders if folder.is_dir()), folders[0])
    return {path.stem: path for path in sorted(folder.glob("*.py")) if path.stem != "__init__"}


def load_module(path: Path) -> ModuleType:
    """A config file, run."""
    tag = hashlib.sha256(str(path.resolve()).encode()).hexdigest()[:8]
    spec = importlib.util.spec_from_file_location(f"ouroboros_config_{path.stem}_{tag}", path)
    module = importlib.util.module_from_spec(spec)
    try:
        spec.loader.exec_module(module)
    except UserError:
        raise
    except Exception as error:
        raise UserError(f"{path} cannot be run: {failure(error, path)}") from error
    if not callable(getattr(module, "get_config", None)):
        raise UserError(f"{path} is not a config file: it has no function get_config")
    return module
