"""Tensors of a `pytorch_model.bin`, without torch and without running the pickle's code.

A pickle is a program. It may only name the functions with which torch assembles a state dict, which
are replaced by ours; any other name ends the reading.

References:
  torch.serialization; the zip format that torch writes since 1.6, and the one before it.
"""

import io
import math
import pickle
import pickletools
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

import ml_dtypes
import numpy as np

from ouroboros_jax.errors import UserError

STORAGES = {
    "FloatStorage": np.dtype("<f4"),
    "DoubleStorage": np.dtype("<f8"),
    "HalfStorage": np.dtype("<f2"),
    "BFloat16Storage": np.dtype(ml_dtypes.bfloat16),
    "LongStorage": np.dtype("<i8"),
    "IntStorage": np.dtype("<i4"),
    "ShortStorage": np.dtype("<i2"),
    "CharStorage": np.dtype("i1"),
    "ByteStorage": np.dtype("u1"),
    "BoolStorage": np.dtype("?"),
}
# The beginning of files in the format before torch 1.6.
MAGIC = pickle.dumps(0x1950A86A20F9469CFC6C, 2)
OLD_VERSION = 1001
MOST_PICKLE = 64 << 20  # bytes of names and shapes, more than any model needs
MOST_STEPS = 1_000_000  # of a pickle, about thirty for a tensor
KEEPS = ("PUT", "BINPUT", "LONG_BINPUT")  # the steps that name a place of the reader's memory


def read_bin(path: Path) -> dict[str, np.ndarray]:
    """The tensors of a state dict, by name.

    Raises:
      UserError: for a file that is damaged, or holds anything but tensors.
    """
    try:
        if zipfile.is_zipfile(path):
            with zipfile.ZipFile(path) as archive:
                return _read(archive, path)
        with open(path, "rb") as file:
            return _read_old(file, path)
    except UserError:
        raise
    except zipfile.BadZipFile:
        raise UserError(
            f"{path} is cut short or damaged: expected what torch.save writes"
        ) from None
    except (pickle.UnpicklingError, AttributeError, RecursionError, MemoryError) as error:
        raise UserError(f"{path} is no state dict of tensors: {error}") from None
    except (
        *(KeyError, ValueError, EOFError, IndexError, TypeError, OverflowError),
        *(RuntimeError, NotImplementedError),  # for encrypted archives and future versions
    ) as error:
        raise UserError(f"{path} is damaged: {error}") from None


def _read(archive: zipfile.ZipFile, path: Path) -> dict[str, np.ndarray]:
    entries = {info.filename: info for info in archive.infolist()}
    programs = [name for name in entries if name.split("/")[1:] == ["data.pkl"]]
    if len(programs) != 1:
        raise UserError(f"{path} has no data.pkl: expected a file that torch.save wrote")
    root = programs[0].partition("/")[0]
    if any(info.compress_type != zipfile.ZIP_STORED for info in entries.values()):
        raise UserError(f"{path} is compressed, which torch.save never does")
    if entries[programs[0]].file_size > MOST_PICKLE:
        raise UserError(f"{path} has a pickle of {entries[programs[0]].file_size} bytes")
    order = f"{root}/byteorder"
    if order in entries and archive.read(order) != b"little":
        raise UserError(f"{path} was written on a big-endian machine: expected little-endian")
    found = _unpickled(io.BytesIO(archive.read(programs[0])))
    return _arrays(found, lambda storage: archive.read(f"{root}/data/{storage.key}"), path)


def _read_old(file: BinaryIO, path: Path) -> dict[str, np.ndarray]:
    """Four pickles, the third of them the state dict, and then the storages one by one."""
    if file.read(len(MAGIC)) != MAGIC:
        raise UserError(f"{path} is cut short or damaged: expected what torch.save writes")
    head = io.BytesIO(file.read(MOST_PICKLE))
    version, _, found, keys = (_unpickled(head) for _ in range(4))
    file.seek(len(MAGIC) + head.tell())
    if version != OLD_VERSION or not isinstance(keys, list):
        raise UserError(f"{path} is of another version than {OLD_VERSION}, which torch.save wrote")
    if not isinstance(found, dict):
        raise UserError(f"{path} holds {type(found).__name__}, expected a state dict")
    tensors = [value for value in found.values() if isinstance(value, _Tensor)]
    storages = {tensor.storage.key: tensor.storage for tensor in tensors}
    raw = {}
    for key in keys:
        size = int.from_bytes(file.read(8), "little")
        if key not in storages or size != storages[key].size:
            raise UserError(f"{path} is damaged: a storage of {size} numbers is no tensor's")
        raw[key] = file.read(size * storages[key].dtype.itemsize)
    return _arrays(found, lambda storage: raw[storage.key], path)


def _arrays(found: Any, read: Callable[["_Storage"], bytes], path: Path) -> dict[str, np.ndarray]:
    """The tensors of a state dict, given a function that reads a storage's bytes."""
    if not isinstance(found, dict) or not found:
        raise UserError(f"{path} holds {type(found).__name__}, expected a state dict")
    arrays = {}
    for name, value in found.items():
        if not isinstance(name, str) or not isinstance(value, _Tensor):
            kind = type(value).__name__.strip("_").lower()
            raise UserError(f"{path}: {name!r} is a {kind}, expected tensors alone")
        try:
            arrays[name] = _array(read(value.storage), value)
        except UserError as error:
            raise UserError(f"{path}: {name} {error}") from None
    return arrays


class _Storage(NamedTuple):
    dtype: np.dtype
    key: str
    size: int


class _Tensor(NamedTuple):
    storage: _Storage
    offset: int
    shape: tuple[int, ...]
    strides: tuple[int, ...]


class _Dict(dict):
    """An OrderedDict; the version that torch attaches is dropped."""

    __slots__ = ()

    def __setstate__(self, state):
        del state


class _Named:
    """The stand-in for an admitted name; nothing can be set on it."""

    __slots__ = ("_function", "dtype")

    def __init__(self, function=None, dtype=None):
        object.__setattr__(self, "_function", function)
        object.__setattr__(self, "dtype", dtype)

    def __call__(self, *args):
        if self._function is None:
            raise pickle.UnpicklingError("a storage type was called")
        return self._function(*args)

    def __setattr__(self, name, value):
        raise pickle.UnpicklingError("an attribute was set")

    def __setstate__(self, state):
        raise pickle.UnpicklingError("a state was set")


def _rebuild_tensor(storage, offset, shape, strides, *rest):
    del rest  # requires_grad, hooks
    whole = (offset, *shape, *strides)
    if not isinstance(storage, _Storage) or len(shape) != len(strides):
        raise pickle.UnpicklingError("a tensor without a storage")
    if not all(isinstance(n, int) and 0 <= n < 2**48 for n in whole):
        raise pickle.UnpicklingError("a tensor of impossible shape")
    return _Tensor(storage, offset, tuple(shape), tuple(strides))


def _rebuild_parameter(tensor, *rest):
    del rest
    return tensor


NAMES = {
    ("collections", "OrderedDict"): _Named(lambda *args: _Dict()),
    ("torch._utils", "_rebuild_tensor_v2"): _Named(_rebuild_tensor),
    ("torch._utils", "_rebuild_parameter"): _Named(_rebuild_parameter),
} | {("torch", name): _Named(dtype=dtype) for name, dtype in STORAGES.items()}


def _unpickled(stream: BinaryIO) -> Any:
    """The next pickle of a stream, once its steps are known to need little time and memory.

    The reader's memory is an array as long as the last place that a pickle names.
    """
    start = stream.tell()
    for step, (opcode, argument, _) in enumerate(pickletools.genops(stream)):
        if step >= MOST_STEPS:
            raise pickle.UnpicklingError(f"it has more than {MOST_STEPS:,} steps")
        if opcode.name in KEEPS and argument >= MOST_STEPS:
            raise pickle.UnpicklingError(
                f"it names place {argument:,} of its memory, expected below {MOST_STEPS:,}"
            )
    stream.seek(start)
    return _Reader(stream).load()


class _Reader(pickle.Unpickler):
    def find_class(self, module, name):
        found = NAMES.get((module, name))
        if found is None:
            raise pickle.UnpicklingError(f"it names {module}.{name}, which is refused")
        return found

    def persistent_load(self, pid):
        kind, storage, key, _, size, *view = pid  # the old format's views are of whole storages
        if any(part is not None for part in view):
            raise pickle.UnpicklingError("a view of a storage")
        if kind != "storage" or not isinstance(storage, _Named) or storage.dtype is None:
            raise pickle.UnpicklingError("a reference to something other than a storage")
        if not isinstance(key, str) or not isinstance(size, int):
            raise pickle.UnpicklingError("a storage without a name or a size")
        if not key.isalnum():
            raise pickle.UnpicklingError(f"a storage named {key!r}")
        return _Storage(storage.dtype, key, size)


def _array(raw: bytes, tensor: _Tensor) -> np.ndarray:
    """The numbers of a tensor, copied out of the bytes of its storage."""
    storage = tensor.storage
    if len(raw) != storage.size * storage.dtype.itemsize:
        raise UserError(f"has {len(raw)} bytes, expected {storage.size} numbers")
    last = tensor.offset + sum(
        (n - 1) * s for n, s in zip(tensor.shape, tensor.strides, strict=True)
    )
    if math.prod(tensor.shape) > 0 and last >= storage.size:
        raise UserError(f"reaches to number {last} of {storage.size}")
    if math.prod(tensor.shape) > storage.size:
        raise UserError(
            f"has shape {list(tensor.shape)} and {storage.size} numbers, which is fewer"
        )
    flat = np.frombuffer(raw, storage.dtype)[tensor.offset :]
    strides = [s * storage.dtype.itemsize for s in tensor.strides]
    view = np.lib.stride_tricks.as_strided(flat, tensor.shape, strides, writeable=False)
    return np.array(view)
