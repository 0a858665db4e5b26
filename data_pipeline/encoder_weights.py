"""The files of an encoder's weights: model.safetensors, or its shards with their index. Imports no torch."""

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path

from data_pipeline.errors import DataError
from data_pipeline.files import try_read

WEIGHTS_FILE = "model.safetensors"
INDEX_FILE = f"{WEIGHTS_FILE}.index.json"
PICKLES = "pytorch_model*.bin"

Shapes = dict[str, tuple[int, ...]]  # of the tensors, by name


def weights_files(folder: Path) -> tuple[Path, ...]:
    """Return the files that hold the weights, which may be missing; of an index, its shards by name.

    Raises:
        DataError: the index cannot be read.
    """
    index = folder / INDEX_FILE
    if (folder / WEIGHTS_FILE).is_file() or not index.is_file():
        return (folder / WEIGHTS_FILE,)
    return tuple(folder / name for name in sorted(set(_weight_map(index).values())))


def weights_sha256(hashes: Mapping[Path, str]) -> str:
    """Return the hash of the only file; of shards, that of the lines that `sha256sum` prints for them."""
    if len(hashes) == 1:
        return next(iter(hashes.values()))
    lines = (f"{found}  {file.name}\n" for file, found in hashes.items())
    return hashlib.sha256("".join(lines).encode()).hexdigest()


def read_shapes(folder: Path) -> Shapes:
    """Read the names and shapes of the weights.

    Raises:
        DataError: a file is no weights, or the shards are not those of their index.
    """
    found = {file: _shapes(file) for file in weights_files(folder)}
    listed = {name: file.name for file, shapes in found.items() for name in shapes}
    index = folder / INDEX_FILE
    if [file.name for file in found] != [WEIGHTS_FILE] and listed != _weight_map(index):
        raise DataError(f"{index}: lists other weights than its files hold. Download the encoder again.")
    return {name: shape for shapes in found.values() for name, shape in shapes.items()}


def refuse_placeholder(path: Path) -> None:
    """Raise DataError where the file is empty, a git-lfs pointer or a web page."""
    start = try_read(path, _first_bytes).lstrip().lower()
    for is_so, what, fix in (
        (not start, "an empty file", "Download it again"),
        (start.startswith(b"version https://git-lfs"), "a git-lfs pointer", "Run `git lfs pull` in its repository"),
        (start.startswith((b"<!doctype", b"<html", b"<?xml")), "a web page", "Download it again"),
    ):
        if is_so:
            raise DataError(f"{path}: is {what}, not the encoder's file. {fix}.")


def _first_bytes(path: Path) -> bytes:
    with path.open("rb") as file:
        return file.read(200)


def _shapes(path: Path) -> Shapes:
    from safetensors import SafetensorError, safe_open

    refuse_placeholder(path)
    try:
        with safe_open(path, framework="np") as file:
            return {name: tuple(file.get_slice(name).get_shape()) for name in file.keys()}  # noqa: SIM118  no mapping
    except (SafetensorError, OSError) as error:
        reason = " ".join(str(error).split())[:60]
        raise DataError(f"{path}: is no safetensors file, or is cut short ({reason}). Download it again.") from None


def _weight_map(index: Path) -> dict[str, str]:
    try:
        names = json.loads(try_read(index, Path.read_bytes))["weight_map"]
        if not names or any(Path(name).name != name for name in names.values()):
            raise ValueError
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        raise DataError(f"{index}: is no index of weights. Download the encoder again.") from None
    return dict(names)
