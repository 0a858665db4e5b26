"""What the address of a store names, read by SQLAlchemy as MLflow and Optuna read it; no secret of it is shown."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote, quote_plus, unquote, urlsplit
from urllib.request import url2pathname

from data_pipeline.errors import InputError

if TYPE_CHECKING:
    from sqlalchemy.engine import URL

SECRET_NAMES = ("password", "passwd", "pwd", "sslpassword", "token")  # in an address's query
SHORTEST_SECRET = 4  # characters: a shorter one would be found everywhere


class StoreAddressError(InputError):
    """An sqlite address that names no file, so that nothing would be kept."""


def sqlite_file(address: str) -> Path | None:
    """Return the database's file, None for a store of another kind.

    Raises:
        StoreAddressError: a database in memory, or an address in sqlite's own form.
    """
    url = _parsed(address)
    if url is None or url.get_backend_name() != "sqlite":
        return None
    database = url.database or ""
    if database in {"", ":memory:"} or database.startswith("file:") or "uri" in url.query:
        raise StoreAddressError(
            f"address of a store: names no file (got {address}, expected such as sqlite:///mlflow.db). "
            "Check --tracking-uri or --storage."
        )
    return Path(os.path.expanduser(database))  # noqa: PTH111  unlike pathlib it takes the name of an unknown user


def sqlite_address(file: Path) -> str:
    """Return the address of an sqlite file, whatever its name."""
    from sqlalchemy.engine import URL

    return _spell(URL.create("sqlite"), file)


def address_for_libraries(address: str) -> str:
    """Return the address by which MLflow and Optuna open that file: they would make a folder of a `~` or an escape."""
    file, url = sqlite_file(address), _parsed(address)
    return address if file is None or url is None or not set(address) & set("~%") else _spell(url, file)


def store_exists(address: str) -> bool:
    """Return False for an sqlite file that does not exist; other stores are only known once they are opened."""
    file = sqlite_file(address)
    return file is None or file.exists()


def local_path(address: str) -> Path | None:
    """Return where artifacts of this address are on this machine's disk, None if they are elsewhere."""
    location = urlsplit(address)
    if not location.scheme:
        return Path(address)  # a plain path is not encoded
    return Path(url2pathname(location.path)) if location.scheme == "file" else None


def without_secrets(text: str, address: str | None = None) -> str:
    """Return the text in one line, without the user and password of the address, by default of itself."""
    secret_free = mask_secrets(text, text if address is None else address)
    return " ".join(secret_free.split())[:300]  # last, or a secret that is cut in two would not be found


def mask_secrets(text: str, address: str) -> str:
    """Return the text without the address's user and password, as written there, decoded, or in its query."""
    user = re.match(r"[\w.+-]+://([^?\s]*)@", address)
    if user:
        text = text.replace(f"{user[1]}@", "")
    url = _parsed(address)
    if url is None:  # no address of one store, but it may hold a password all the same
        text = re.sub(r"://[^\s@]*@", "://", text)
    secrets = {user[1].partition(":")[2]} if user else set()
    if url is not None:
        values = (value for name, value in url.normalized_query.items() if name.lower() in SECRET_NAMES)
        secrets |= {url.password or "", *(each for value in values for each in value)}
    for secret in secrets:
        for written in {secret, unquote(secret), quote(secret), quote(secret, safe=""), quote_plus(secret)}:
            if len(written) >= SHORTEST_SECRET:
                text = re.sub(re.escape(written), "***", text, flags=re.IGNORECASE)
    return text


def _parsed(address: str) -> URL | None:
    from sqlalchemy.engine import make_url
    from sqlalchemy.exc import ArgumentError

    try:
        return make_url(address)
    except (ArgumentError, ValueError):
        return None


def _spell(url: URL, file: Path) -> str:
    """Spell the file's address; where it cannot do without escapes, in a form of which MLflow makes no folder."""
    spelled = url.set(database=str(file)).render_as_string()
    return spelled if "%" not in spelled else f"sqlite+pysqlite:{spelled.partition(':')[2]}"
