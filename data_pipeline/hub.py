"""Files of a repository on the Hugging Face hub: find them in its cache, or download them."""

import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from data_pipeline.errors import DataError

PROBE_SECONDS = 10.0  # a network that drops packets answers nothing for minutes
LONGEST_REASON = 240  # characters of the hub's own message that ours quotes


def cached_snapshot(hub: str, revision: str, files: Sequence[str]) -> Path | None:
    """Return the revision's folder in the cache, or None where it is absent or known to lack one of the files."""
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import LocalEntryNotFoundError

    with _hub_errors(hub, revision):
        try:
            return Path(snapshot_download(hub, revision=revision, allow_patterns=list(files), local_files_only=True))
        except LocalEntryNotFoundError:
            return None


def repository_files(hub: str, revision: str) -> set[str]:
    """Ask the hub once which files the revision has; a download would repeat its first question for most of a minute.

    Raises:
        DataError: there is no network, no such repository or revision, or no permission.
    """
    from huggingface_hub import HfApi

    with _hub_errors(hub, revision):
        found = HfApi().model_info(hub, revision=revision, timeout=PROBE_SECONDS)
    return {file.rfilename for file in found.siblings or ()}


def download_snapshot(hub: str, revision: str, files: Sequence[str]) -> Path:
    """Download those of the files that the repository has and the cache lacks; return their folder in the cache.

    Raises:
        DataError: they cannot be downloaded.
    """
    from huggingface_hub import snapshot_download

    with _hub_errors(hub, revision):
        return Path(snapshot_download(hub, revision=revision, allow_patterns=list(files)))


def published_sha256(file: Path) -> str | None:
    """Return the hash that the hub gave for a large file of the cache, or None."""
    # A file of the cache is a link to blobs/ETAG, and the ETag of a large file is its SHA-256.
    blob = file.readlink().name if file.is_symlink() else ""
    return blob if re.fullmatch(r"[0-9a-f]{64}", blob) else None


def download_command(hub: str, revision: str, weights: str) -> str:
    """Return the command that downloads config, tokenizer and the weights of this pattern into FOLDER."""
    files = " ".join(f"--include '{pattern}'" for pattern in ("*.json", "*.txt", weights))
    return f"`hf download {hub} --revision {revision} {files} --local-dir FOLDER`"


def offline_advice(hub: str, revision: str) -> str:
    """Return the commands that bring an encoder to a machine without a network."""
    return (
        f"run {download_command(hub, revision, 'model*.safetensors')} on a machine with a network, copy"
        " FOLDER here and use `--set EXPERIMENT.model.encoder.path=FOLDER` with the `sha256` of its weights"
    )


@contextmanager
def _hub_errors(hub: str, revision: str) -> Iterator[None]:
    import httpx2  # huggingface_hub calls the hub with it and lets its errors through
    from huggingface_hub.constants import ENDPOINT
    from huggingface_hub.errors import HfHubHTTPError, HFValidationError

    try:
        yield
    except (httpx2.HTTPError, httpx2.InvalidURL, OSError, RuntimeError, HFValidationError) as error:
        reason = " ".join(str(error).split())[:LONGEST_REASON] or type(error).__name__
        refused = isinstance(error, HfHubHTTPError) and error.response.status_code < 500
        if refused or isinstance(error, HFValidationError):
            fix = (
                "Correct the encoder's `hub` or `revision`; if the repository is private or gated, run `hf auth login`"
            )
        else:
            fix = f"Try again, or {offline_advice(hub, revision)}"
        message = f"encoder {hub} at revision {revision} cannot be downloaded from {ENDPOINT}: {reason}. {fix}."
        raise DataError(message) from error
