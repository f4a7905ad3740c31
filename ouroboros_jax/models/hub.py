"""Where a checkpoint's files are: a folder, or the Hugging Face hub and its cache."""

import os
import re
import socket
from collections.abc import Callable
from pathlib import Path
from urllib.parse import urlsplit

from ouroboros_jax.errors import UserError
from ouroboros_jax.models.hf_config import CONFIG
from ouroboros_jax.models.weight_files import FORMATS, shards_of

HUB_ID = re.compile(r"[\w.-]+(/[\w.-]+)?")
TOKENIZER = (
    "tokenizer.json",
    "tokenizer_config.json",
    "vocab.json",
    "merges.txt",
    "special_tokens_map.json",
    "generation_config.json",
)


def find_folder(checkpoint: str) -> Path:
    """The folder of a checkpoint's files; for a hub id, in the cache, downloaded if necessary.

    Raises:
      UserError: naming the folder or id, and the ways out.
    """
    try:
        folder = Path(checkpoint).expanduser()
        if folder.is_dir():
            return folder
        is_file = folder.exists()
    except (OSError, RuntimeError, ValueError) as error:  # too long, or an unknown user's home
        shown = checkpoint if len(checkpoint) <= 60 else f"{checkpoint[:57]}..."
        raise UserError(f"checkpoint={shown!r} is no path: {error}") from None
    if is_file:
        raise UserError(f"checkpoint={checkpoint!r} is a file, expected a folder or a hub id")
    if not HUB_ID.fullmatch(checkpoint) or checkpoint.startswith("."):
        raise UserError(f"checkpoint={checkpoint!r} is no folder, and no id of the hub's")
    try:
        return _fetch_all(checkpoint, cached=True)  # without the network
    except UserError:
        raise
    except Exception as error:  # not in the cache
        missing = error
    if os.environ.get("HF_HUB_OFFLINE", "0").lower() in ("1", "on", "yes", "true"):
        raise UserError(_unreachable(checkpoint, missing)) from None
    try:
        _check_network()
        return _fetch_all(checkpoint, cached=False)
    except UserError:
        raise
    except Exception as error:  # of many kinds: network, hub, disk
        raise UserError(_unreachable(checkpoint, error)) from None


def _fetch_all(checkpoint: str, *, cached: bool) -> Path:
    from huggingface_hub import hf_hub_download
    from huggingface_hub.errors import EntryNotFoundError  # raised by the cache and by the hub

    def fetch(name: str) -> Path:
        return Path(hf_hub_download(checkpoint, name, local_files_only=cached))

    def fetch_if_there(name: str) -> Path | None:
        try:
            return fetch(name)
        except EntryNotFoundError:
            return None

    folder = fetch(CONFIG).parent
    if not _fetch_weights(fetch, fetch_if_there):
        raise FileNotFoundError(f"none of {', '.join(FORMATS)}")
    for name in TOKENIZER:
        fetch_if_there(name)
    return folder


def _fetch_weights(fetch: Callable[[str], Path], fetch_if_there: Callable) -> bool:
    for name in FORMATS:
        if fetch_if_there(name):
            return True
        if index := fetch_if_there(f"{name}.index.json"):
            for shard in shards_of(index):
                fetch(shard.name)
            return True
    return False


def _check_network() -> None:
    """Raise OSError if the hub's name cannot be resolved, before the hub's client retries."""
    from huggingface_hub.constants import ENDPOINT

    if not any(os.environ.get(name) for name in ("HTTPS_PROXY", "https_proxy", "ALL_PROXY")):
        socket.getaddrinfo(urlsplit(ENDPOINT).hostname, 443)


def _unreachable(checkpoint: str, error: Exception) -> str:
    """One sentence: what could not be obtained, why, and what to do."""
    reason = (" ".join(str(error).split()) or type(error).__name__).partition(". ")[0]
    reason = reason if len(reason) <= 120 else f"{reason[:117]}..."
    return (
        f"checkpoint={checkpoint!r} is neither a folder nor in the Hugging Face cache, and cannot "
        f"be downloaded ({reason}): run once with a network, point HF_HOME at a cache that has "
        "it, or give a folder with config.json and weights"
    )


def fetch_dataset_file(repository: str, name: str) -> Path:
    """A file of one of the hub's data sets, from the cache or the network.

    Raises:
      Exception: of many kinds, if it cannot be obtained.
    """
    from huggingface_hub import hf_hub_download

    try:
        return Path(hf_hub_download(repository, name, repo_type="dataset", local_files_only=True))
    except Exception:  # not in the cache
        _check_network()
        return Path(hf_hub_download(repository, name, repo_type="dataset"))
