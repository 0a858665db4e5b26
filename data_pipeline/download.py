"""Download one large file over HTTP: resumed after a break, checked by its hash, renamed when complete.

The library pooch does the same but cannot resume, which matters for 84 MB from a slow university server.
"""

from __future__ import annotations

import hashlib
import logging
import os
import shutil
import time
from functools import partial as bound
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from filelock import FileLock
from tqdm import tqdm

from data_pipeline.errors import DataError

if TYPE_CHECKING:
    from requests import Response

logger = logging.getLogger(__name__)

TIMEOUTS = (10.0, 30.0)  # seconds to connect, and between two pieces of the answer
ATTEMPTS = 5  # per call; the next call resumes what they brought
PAUSE_SECONDS = 1.0  # before the second attempt; doubled before each further one
CHUNK = 2**16  # bytes; an interruption loses less than one


def download(url: str, path: Path, known_hash: str, *, advice: str) -> None:
    """Download `url` into `path`, unless the file is there and has the hash, such as `md5:7c2a...` or `sha256:9534...`.

    One process downloads and the others wait for it. The next download resumes an interrupted one. If the server's
    file has changed since, the hash of the mixture is wrong and the next download starts over. Every error ends in
    `advice`, which says how to proceed without a network.

    Raises:
        DataError: the server cannot be reached or refuses, its file is another one, or the disk is full.
    """
    partial = path.with_name(f"{path.name}.partial")
    algorithm, expected = known_hash.split(":")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(path.with_name(f"{path.name}.lock")):
            if path.exists():
                if _hash(path, algorithm) == expected:
                    return
                logger.warning("%s is damaged and is downloaded again", path)
            if (
                not partial.exists() or _hash(partial, algorithm) != expected
            ):  # complete if a process died before renaming
                logger.info("downloading %s to %s", url, path)
                _fetch(url, partial)
            if (found := _hash(partial, algorithm)) != expected:
                partial.unlink()
                raise DataError(
                    f"{url}: wrong content, perhaps a login page ({algorithm} {found}, expected {expected}); deleted."
                    " Try again"
                )
            partial.replace(path)
    except DataError as error:
        raise DataError(f"{error}, or {advice}.") from error
    except OSError as error:
        reason = error.strerror or error
        raise DataError(f"{path}: cannot be written: {reason}. Check the disk, or {advice}.") from error


def _fetch(url: str, partial: Path) -> None:
    """Append the rest of the server's file to `partial`; retry a connection that breaks off."""
    import requests  # slow, and only the first run needs it
    from urllib3.exceptions import HTTPError

    reason = ""
    for attempt in range(ATTEMPTS):
        if attempt:
            logger.info("%s interrupted (%s), resuming", url, reason)
            time.sleep(PAUSE_SECONDS * 2 ** (attempt - 1))
        offset = partial.stat().st_size if partial.exists() else 0
        headers = {"Accept-Encoding": "identity"} | ({"Range": f"bytes={offset}-"} if offset else {})
        try:
            with requests.get(url, headers=headers, stream=True, timeout=TIMEOUTS) as response:
                for hop in (*response.history, response):
                    if urlsplit(hop.url).scheme not in {"https", urlsplit(url).scheme}:
                        raise DataError(f"{url}: redirected to {hop.url}, which is not encrypted. Check the network")
                if response.status_code == 416:  # `partial` is longer than the server's file
                    partial.unlink()
                    continue
                if response.status_code not in {200, 206}:
                    raise DataError(f"{url}: {response.status_code} {response.reason}. Try again later")
                if response.status_code == 200:  # the server sends whole files only
                    partial.unlink(missing_ok=True)
                _receive(response, partial)
                return
        except (requests.RequestException, HTTPError) as error:
            reason = _reason(error)
            if attempt == 0 and isinstance(error, requests.RequestException):  # there was no answer at all
                raise DataError(f"{url}: cannot be reached: {reason}. Check the network") from error
    raise DataError(f"{url}: interrupted {ATTEMPTS} times: {reason}. Run the same command again to resume")


def _receive(response: Response, partial: Path) -> None:
    offset = partial.stat().st_size if partial.exists() else 0
    length = response.headers.get("Content-Length", "")
    coming = int(length) if length.isdecimal() else None
    free = shutil.disk_usage(partial.parent).free
    if coming is not None and coming > free:
        raise DataError(
            f"{partial.parent}: disk too full for {response.url} (needs {coming / 1e6:.1f} MB, {free / 1e6:.1f} MB"
            " free). Free some"
        )
    with (
        partial.open("ab") as file,
        tqdm(
            total=None if coming is None else offset + coming,
            initial=offset,
            desc=f"  {partial.stem}",
            unit="B",
            unit_scale=True,
            leave=False,
            dynamic_ncols=True,
            disable=None,  # where standard error is no terminal
        ) as bar,
    ):
        # Not iter_content, which would unpack a .tar.gz that the server labels `Content-Encoding: gzip`.
        for chunk in response.raw.stream(CHUNK, decode_content=False):
            file.write(chunk)
            bar.update(len(chunk))
        file.flush()
        os.fsync(file.fileno())


def _reason(error: BaseException) -> str:
    """Return the message of the innermost error, which requests and urllib3 wrap in three others."""
    # Not __context__, which may be an error that the caller is handling.
    for inner in (error.__cause__, *error.args):
        if isinstance(inner, BaseException):
            return _reason(inner)
    return str(getattr(error, "strerror", None) or error)


def _hash(path: Path, algorithm: str) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, bound(hashlib.new, algorithm, usedforsecurity=False)).hexdigest()
