"""Files of a repository on the Hugging Face hub: what lies in its cache, and a download of what does not."""

import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from data_pipeline.errors import DataError

PROBE_SECONDS = 10.0  # a network that drops packets says nothing for minutes


def cached_snapshot(hub: str, revision: str, files: Sequence[str]) -> Path | None:
    """The folder of this revision in the cache, None where it is not, or is known to lack one of the files.

    Where the cache does not hold the repository's list of files, the folder may lack some all the same.
    """
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import LocalEntryNotFoundError

    with _in_words(hub, revision):
        try:
            folder = snapshot_download(hub, revision=revision, allow_patterns=list(files), local_files_only=True)
        except LocalEntryNotFoundError:
            return None
    return Path(folder)


def refuse_absent(hub: str, revision: str, file: str) -> None:
    """Ask the hub for the file once: the download's own first question is asked again for most of a minute.

    Raises:
        DataError: there is no network, no such repository, revision or file, or no permission.
    """
    from huggingface_hub import get_hf_file_metadata, hf_hub_url

    with _in_words(hub, revision):
        get_hf_file_metadata(hf_hub_url(hub, file, revision=revision), timeout=PROBE_SECONDS)


def download_snapshot(hub: str, revision: str, files: Sequence[str]) -> Path:
    """The folder in the cache, with those of the files that the repository has; what is there is not fetched again.

    Raises:
        DataError: it cannot be downloaded.
    """
    from huggingface_hub import snapshot_download

    with _in_words(hub, revision):
        return Path(snapshot_download(hub, revision=revision, allow_patterns=list(files)))


def published_sha256(file: Path) -> str | None:
    """The hash that the hub gave for a large file of the cache, None where it gave none.

    A file of the cache is a link to blobs/ETAG, and a large file's ETag is its sha256.
    """
    blob = file.readlink().name if file.is_symlink() else ""
    return blob if re.fullmatch(r"[0-9a-f]{64}", blob) else None


def by_hand(hub: str, revision: str) -> str:
    """How an encoder gets to a machine without a network."""
    files = " ".join(f"--include '{pattern}'" for pattern in ("*.json", "*.txt", "model.safetensors"))
    return (
        f"run `hf download {hub} --revision {revision} {files} --local-dir FOLDER` where there is a network, copy"
        " FOLDER here, and name it by `--set EXPERIMENT.model.encoder.path=FOLDER` beside the `sha256` of its weights"
    )


@contextmanager
def _in_words(hub: str, revision: str) -> Iterator[None]:
    import httpx2  # what huggingface_hub calls the hub with; it lets its errors through
    from huggingface_hub.errors import HFValidationError

    try:
        yield
    except (httpx2.HTTPError, httpx2.InvalidURL, OSError, RuntimeError, HFValidationError) as error:
        raise DataError(_explained(error, hub, revision)) from error


def _explained(error: Exception, hub: str, revision: str) -> str:
    """One line: what is wrong, and what to do."""
    from huggingface_hub import errors
    from huggingface_hub.constants import ENDPOINT

    response = error.response if isinstance(error, errors.HfHubHTTPError) else None
    if response is not None and response.status_code in {401, 403} and type(error) is errors.HfHubHTTPError:
        return f"{ENDPOINT} does not let you read {hub}; log in by `hf auth login` with a token that may"
    file = str(response.url).rpartition("/")[2] if response is not None else ""
    known = {  # a gated repository's error is one of a repository not found as well
        errors.GatedRepoError: f"the repository {hub} is gated; accept its terms on {ENDPOINT}/{hub} and log in by"
        " `hf auth login`",
        errors.RepositoryNotFoundError: f"{ENDPOINT} has no repository {hub}, or a private one; correct the encoder's"
        " `hub`, or log in by `hf auth login`",
        errors.RevisionNotFoundError: f"the repository {hub} has no revision {revision}; take a commit from"
        f" {ENDPOINT}/{hub}/commits/main as the encoder's `revision`",
        errors.RemoteEntryNotFoundError: f"the repository {hub} has no {file} at revision {revision}; choose another"
        " `revision` or `hub`, or name a folder that has it by `path`",
        errors.HFValidationError: f"{hub!r} is no name of a repository; correct the encoder's `hub`",
    }
    for kind, message in known.items():
        if isinstance(error, kind):
            return message
    reason, remedy = f"{ENDPOINT}: {_first_line(error)}", "try again"
    if isinstance(error, errors.OfflineModeIsEnabled):
        reason, remedy = "HF_HUB_OFFLINE or TRANSFORMERS_OFFLINE is set", "unset it"
    return (
        f"the encoder {hub} is not whole in the cache of the Hugging Face hub and cannot be downloaded ({reason}); "
        f"{remedy}, or {by_hand(hub, revision)}"
    )


def _first_line(error: Exception) -> str:
    lines = str(error).strip().splitlines()
    return lines[0] if lines else type(error).__name__
