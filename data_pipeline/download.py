"""One big file fetched over HTTP: whole and checked, or not there at all."""

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
ATTEMPTS = 5  # in one call; the next call goes on with what they brought
PAUSE_SECONDS = 1.0  # before the second attempt; twice as long before each further one
CHUNK = 2**16  # bytes; an interruption loses less than one


def download(url: str, path: Path, md5: str, *, advice: str) -> None:
    """Fetch `url` into `path`, unless the file is there as it should be.

    One process fetches and the others wait for it. What an interrupted download brought is kept beside `path`, and the
    next one goes on with it if the server's file is still the same.

    Args:
        url: http or https.
        path: where the file belongs; folders are made.
        md5: what the file's content must hash to, in hexadecimal.
        advice: how to go on without a network; every error ends in it.

    Raises:
        DataError: the server cannot be reached or refuses, its file is another one, or the disk is full.
    """
    partial = path.with_name(f"{path.name}.partial")
    try:
        if urlsplit(url).scheme not in {"http", "https"}:
            raise DataError(f"{url} cannot be fetched: only http:// and https:// can")
        path.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(path.with_name(f"{path.name}.lock")):
            if path.exists():
                if _md5(path) == md5:
                    return
                logger.warning("%s is not what was fetched and is fetched again", path)
            if not partial.exists() or _md5(partial) != md5:  # whole if a process was killed before it could rename
                logger.info("fetching %s into %s", url, path)
                _fetch(url, partial)
            if (found := _md5(partial)) != md5:
                _discard(partial)
                raise DataError(
                    f"{url} is not the file expected: its md5 should be {md5} and is {found} (a proxy's or a login page"
                    " in its place looks like this); it was deleted, try again"
                )
            os.replace(partial, path)  # noqa: PTH105  the one rename that is atomic on every system
            _discard(partial)
    except DataError as error:
        raise DataError(f"{error}; {advice}") from error
    except OSError as error:
        reason = error.strerror or error
        raise DataError(f"{path} cannot be fetched: {reason}; check the disk and the permissions; {advice}") from error


def _fetch(url: str, partial: Path) -> None:
    """Bring `partial` to the end of the server's file; a connection that breaks off is made again a few times."""
    import requests  # slow, and only the first run needs it
    from urllib3.exceptions import HTTPError

    reason = ""
    for attempt in range(1, ATTEMPTS + 1):
        headers, offset = _resumption(partial)
        try:
            with requests.get(url, headers=headers, stream=True, timeout=TIMEOUTS) as response:
                _check_redirects(url, response)
                goes_on = response.headers.get("Content-Range", "").startswith(f"bytes {offset}-")
                if offset and (response.status_code == 416 or (response.status_code == 206 and not goes_on)):
                    _discard(partial)  # longer than the server's file, or answered with another part of it
                    continue
                if response.status_code not in {200, 206}:
                    raise DataError(f"{url} cannot be fetched: {response.status_code} {response.reason}")
                if response.status_code == 200 and offset:
                    _discard(partial)  # the server's file has changed, or it sends whole ones only
                    offset = 0
                _receive(response, partial, offset)
                return
        except (requests.RequestException, HTTPError) as error:
            reason = _reason(error)
            if attempt == 1 and isinstance(error, requests.RequestException):  # there was no answer at all
                raise DataError(f"{url} cannot be fetched: {reason}; check the network") from error
        if attempt < ATTEMPTS:
            logger.info("%s broke off (%s) and is continued", url, reason)
            time.sleep(PAUSE_SECONDS * 2 ** (attempt - 1))
    raise DataError(
        f"{url} broke off {ATTEMPTS} times ({reason}); try again: it goes on with what came where the server can"
    )


def _resumption(partial: Path) -> tuple[dict[str, str], int]:
    """The headers that ask for the rest of `partial`, and how long it is; 0 if nobody could tell whether it fits."""
    headers = {"Accept-Encoding": "identity"}
    version_file = _version_file(partial)
    version = version_file.read_text(encoding="latin-1").strip() if version_file.exists() else ""
    offset = partial.stat().st_size if partial.exists() else 0
    if not offset or not version or not version.isprintable():
        return headers, 0
    return headers | {"Range": f"bytes={offset}-", "If-Range": version}, offset


def _receive(response: Response, partial: Path, offset: int) -> None:
    """Write the answer's body from `offset` on."""
    length = response.headers.get("Content-Length", "")
    coming = int(length) if length.isdecimal() else None
    free = shutil.disk_usage(partial.parent).free
    if coming is not None and coming > free:
        raise DataError(
            f"{partial.parent} has too little room: {response.url} needs {coming / 1e6:.1f} MB"
            f" and {free / 1e6:.1f} MB are free; free some"
        )
    with (
        partial.open("ab" if offset else "wb") as file,
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
        if not offset:  # after the file was emptied: it never stands beside the version of another one
            _version_file(partial).write_text(_version(response), encoding="latin-1")
        # Not iter_content, which would unpack a .tar.gz that the server labels `Content-Encoding: gzip`.
        for chunk in response.raw.stream(CHUNK, decode_content=False):
            file.write(chunk)
            bar.update(len(chunk))
        file.flush()
        os.fsync(file.fileno())


def _version(response: Response) -> str:
    """What tells this version of the server's file from another; a weak ETag (`W/`) may not stand in If-Range."""
    etag = response.headers.get("ETag", "")
    return etag if etag and not etag.startswith("W/") else response.headers.get("Last-Modified", "")


def _version_file(partial: Path) -> Path:
    return partial.with_name(f"{partial.name}.version")


def _discard(partial: Path) -> None:
    partial.unlink(missing_ok=True)
    _version_file(partial).unlink(missing_ok=True)


def _check_redirects(url: str, response: Response) -> None:
    """Other hosts are allowed, but https stays https."""
    for hop in (*response.history, response):
        if urlsplit(hop.url).scheme not in {"https", urlsplit(url).scheme}:
            raise DataError(f"{url} cannot be fetched: it leads to {hop.url}, which is not encrypted")


def _reason(error: BaseException) -> str:
    """What the innermost error says: requests and urllib3 wrap the system's own in three others."""
    # Not __context__: that may be an error that our caller is handling.
    for inner in (error.__cause__, *error.args):
        if isinstance(inner, BaseException):
            return _reason(inner)
    return str(getattr(error, "strerror", None) or error)


def _md5(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, bound(hashlib.md5, usedforsecurity=False)).hexdigest()
