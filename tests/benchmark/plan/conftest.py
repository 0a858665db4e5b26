import shutil

import pytest

from data_pipeline.encoder_kinds import KINDS
from tests.helpers.encoders import write_encoder


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    """The encoder of each kind; tests change a copy."""
    return {kind: write_encoder(tmp_path_factory.mktemp(kind), kind) for kind in KINDS}


@pytest.fixture
def copy(written, tmp_path):
    return lambda kind="bert": shutil.copytree(written[kind], tmp_path / "encoder")
