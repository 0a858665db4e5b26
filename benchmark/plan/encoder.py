"""The encoder of a run: its name, where it is, and whether its files fit each other. Imports no torch."""

from __future__ import annotations

import os
from functools import cache
from pathlib import Path

from benchmark.config.load import load_suite, profile_names
from benchmark.config.schema import RunConfig
from benchmark.plan.fingerprint import encoder_config
from data_pipeline.encoder import CONFIG_FILE, EMBEDDED_FINGERPRINT, EMBEDDED_NAME, Encoder, resolve_encoder
from data_pipeline.encoder_kinds import KINDS
from data_pipeline.encoder_weights import read_shapes
from data_pipeline.tokenizer_files import check_tokenizer


def encoder_name(run: RunConfig) -> str | None:
    """Return the encoder's name in the table and the model card, None if the model has none."""
    encoder = encoder_config(run)
    if encoder is None:
        return None
    if encoder.hub is None and encoder.path is not None:
        return encoder.name or encoder.path.name
    return encoder.hub or EMBEDDED_NAME


def resolve_run_encoder(run: RunConfig, *, download: bool = True) -> Encoder | None:
    """Return the run's encoder on this machine, checked, or None if the model has none.

    Raises:
        EncoderNotHereError: it must be downloaded, and `download` is false.
        DataError: it is missing, has another hash, or would not be read as its files say.
    """
    config = encoder_config(run)
    if config is None:
        return None
    found = resolve_encoder(config.path, config.sha256, hub=config.hub, revision=config.revision, download=download)
    if found.fingerprint != EMBEDDED_FINGERPRINT:
        check_encoder(found)
    return found


def check_local_encoders(file: Path) -> list[Encoder]:
    """Return the encoders in folders that an experiments.yaml names, where they are on this machine, checked.

    Raises:
        ConfigError: the file is not valid.
        DataError: an encoder is damaged, or would not be read as its files say.
    """
    runs = [run for profile in profile_names(file) for run in load_suite(file, profile).runs()]
    named = {(c.path, c.sha256): run for run in runs if (c := encoder_config(run)) and c.path is not None}
    # `Path.is_file` would raise OSError for a name that is too long.
    there = [run for (path, _), run in named.items() if os.path.isfile(path / CONFIG_FILE)]  # noqa: PTH113
    found = map(resolve_run_encoder, there)
    return [encoder for encoder in found if encoder is not None]


@cache
def check_encoder(encoder: Encoder) -> None:
    """Build the network and load the tokenizer, once per process; 3 to 9 s, most of it torch's import.

    Raises:
        DataError: config.json, weights and tokenizer do not fit each other.
    """
    from models.pretrained import check_network, quiet_transformers

    config = check_network(encoder.folder, read_shapes(encoder.folder))
    with quiet_transformers():
        counts = KINDS[config.model_type].counts_from_padding
        check_tokenizer(encoder.folder, config.vocab_size, config.pad_token_id if counts else None)
