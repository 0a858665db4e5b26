"""One reading of a store's address for all that look at it: the file that SQLAlchemy opens, and no secret shown."""

from pathlib import Path

import pytest
from sqlalchemy import create_engine, text

from benchmark.tracking.address import (
    StoreAddressError,
    address_for_libraries,
    mask_secrets,
    sqlite_address,
    sqlite_file,
    store_exists,
)
from benchmark.tracking.store import TrackingStore
from tests.helpers.facts import assert_names


@pytest.mark.parametrize(
    ("address", "file"),
    [
        ("sqlite:///mlflow.db", "mlflow.db"),
        ("sqlite:////a/mlflow.db?timeout=60", "/a/mlflow.db"),
        ("sqlite+pysqlite:///mlflow.db", "mlflow.db"),
        ("sqlite:///~/mlflow.db", "/home/me/mlflow.db"),
        ("postgresql://me:hush@host/db", None),
        ("http://host:5000", None),
        ("./mlruns", None),
        ("http://[bad", None),
    ],
)
def test_an_sqlite_address_is_its_file_whatever_stands_around_it(monkeypatch, address, file):
    monkeypatch.setenv("HOME", "/home/me")

    assert sqlite_file(address) == (file and Path(file))
    assert sqlite_file(address_for_libraries(address)) == (file and Path(file))


@pytest.mark.parametrize(
    "address",
    ["sqlite://", "sqlite:///:memory:", "sqlite:///file:g.db?uri=true", "sqlite://g.db", "sqlite:///g.db?uri=1"],
)
def test_a_database_without_a_file_of_its_own_is_refused(address, tmp_path):
    for look in (store_exists, lambda address: TrackingStore(address, tmp_path)):
        with pytest.raises(StoreAddressError) as caught:
            look(address)
        assert_names(caught, f"got {address}", "sqlite:///mlflow.db", "--tracking-uri", "--storage")


@pytest.mark.parametrize("folder", ["my%20runs", "50% off", "a b", "é#?&+:", "a%2520b"])
def test_sqlalchemy_opens_the_file_that_we_look_at(tmp_path, monkeypatch, folder):
    monkeypatch.chdir(tmp_path)
    for file in (tmp_path / folder / "own.db", sqlite_file(f"sqlite:///{folder.partition('?')[0]}/given.db")):
        file.parent.mkdir(exist_ok=True)
        address = sqlite_address(file)
        for spelled in (address, address_for_libraries(address)):
            with create_engine(spelled).begin() as connection:
                connection.execute(text("CREATE TABLE IF NOT EXISTS t (c)"))
        assert store_exists(address)
        assert file.is_file()


@pytest.mark.parametrize(
    ("address", "secrets"),
    [
        ("http://me:hush-hush@host:5000", ["hush-hush"]),
        ("http://me:hush%2Fhush@host:5000", ["hush/hush", "hush%2Fhush", "hush%2fhush"]),
        ("postgresql://me:hu%40sh%25@host/db", ["hu@sh%", "hu%40sh%25"]),
        ("mysql+pymysql://me:hu%20sh@host/db", ["hu sh", "hu+sh", "hu%20sh"]),
        ("postgresql://me:hush/hush@host/db", ["hush/hush"]),
        ("postgresql://host/db?user=me&password=hush-hush", ["hush-hush"]),
        ("postgresql://host/db?sslpassword=hush%20hush", ["hush hush"]),
        ("bogus://me:hush[hush@host", ["hush[hush"]),
    ],
)
def test_a_password_is_found_in_a_text_however_it_is_written(address, secrets):
    for secret in secrets:
        masked = mask_secrets(f"no answer from {address}: wrong password {secret}", address)
        assert secret not in masked
        assert "host" in masked
