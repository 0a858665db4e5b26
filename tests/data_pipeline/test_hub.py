"""An encoder named by repository and commit: found in the cache, or fetched from a hub that the tests play.

huggingface_hub reads its environment when it is imported, so each question is asked in a process of its own.
"""

import hashlib
import json
import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from data_pipeline.encoder import resolve_encoder
from tests.helpers.fake_hub import FakeHub, serving

REPOSITORY, REVISION = "org/tiny-bert", "0123456789abcdef0123456789abcdef01234567"
WEIGHTS = b"not really weights" * 1000
HASH = hashlib.sha256(WEIGHTS).hexdigest()
FILES = {
    "config.json": b'{"model_type": "bert", "max_position_embeddings": 64}',
    "model.safetensors": WEIGHTS,
    "pytorch_model.bin": b"the same weights once more",
    "tokenizer_config.json": b"{}",
    "vocab.txt": b"[PAD]\n[UNK]\n[CLS]\n[SEP]\n",
}
OFFLINE = {"HF_HUB_OFFLINE": "1"}
BY_HAND = (
    f"hf download {REPOSITORY} --revision {REVISION} --include '*.json' --include '*.txt' --include "
    "'model.safetensors' --local-dir FOLDER"
)
ASK = """
import json, sys
from data_pipeline.encoder import resolve_encoder
from data_pipeline.errors import DataError
try:
    found = resolve_encoder(**json.loads(sys.argv[1]))
    print(json.dumps({"folder": str(found.folder), "sha256": found.weights_sha256, "fingerprint": found.fingerprint}))
except DataError as error:
    print(json.dumps({"kind": type(error).__name__, "error": str(error)}))
assert "torch" not in sys.modules
"""


@pytest.fixture
def ask(tmp_path):
    """`ask(download=False, environment={...})` is what `resolve_encoder` says, with a cache in tmp_path."""

    def run(*, environment: dict[str, str], **arguments: object) -> dict[str, str]:
        question = {"hub": REPOSITORY, "revision": REVISION, **arguments}
        foreign = ("HF_", "HUGGINGFACE_", "TRANSFORMERS_", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY")
        kept = {name: value for name, value in os.environ.items() if not name.upper().startswith(foreign)}
        done = subprocess.run(
            [sys.executable, "-c", ASK, json.dumps(question)],
            env={**kept, "HF_HOME": str(tmp_path), "HF_ENDPOINT": "http://127.0.0.1:9", "HF_TOKEN": ""} | environment,
            cwd=Path(__file__).parents[2],
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        assert "Traceback" not in done.stderr
        answer: dict[str, str] = json.loads(done.stdout)
        assert "\n" not in answer.get("error", "")
        return answer

    return run


@pytest.fixture
def cached(tmp_path):
    """`cached(FILES)` lays files out as the hub's cache does: small ones by their git hash, the weights by sha256."""

    def lay_out(files: dict[str, bytes], blob: str = HASH) -> Path:
        storage = tmp_path / "hub" / f"models--{REPOSITORY.replace('/', '--')}"
        snapshot = storage / "snapshots" / REVISION
        for folder in (snapshot, storage / "blobs", storage / "refs"):
            folder.mkdir(parents=True)
        (storage / "refs" / "main").write_text(REVISION)
        for name, content in files.items():
            etag = blob if name == "model.safetensors" else hashlib.sha1(content, usedforsecurity=False).hexdigest()
            (storage / "blobs" / etag).write_bytes(content)
            (snapshot / name).symlink_to(Path("..", "..", "blobs", etag))
        return snapshot

    return lay_out


@pytest.fixture
def hub():
    with serving(FakeHub(REPOSITORY, REVISION, dict(FILES))) as server:
        yield server


class TestCache:
    def test_what_lies_there_is_found_without_a_network(self, ask, cached):
        snapshot = cached(FILES)
        answer = ask(download=False, environment=OFFLINE)

        assert (answer["folder"], answer["sha256"]) == (str(snapshot), HASH)
        # The same files in a folder are the same encoder.
        assert answer["fingerprint"] == resolve_encoder(snapshot).fingerprint

    def test_weights_other_than_the_hub_announced_are_refused(self, ask, cached):
        snapshot = cached(FILES, blob="0" * 64)
        error = ask(environment=OFFLINE)["error"]

        assert f"sha256 wanted {'0' * 64}, found {HASH}; the download is damaged: delete " in error
        assert str(snapshot.parents[1] / "blobs" / ("0" * 64)) in error

    def test_the_hash_of_the_settings_comes_before_the_hubs(self, ask, cached):
        cached(FILES, blob="0" * 64)
        error = ask(environment=OFFLINE, sha256="1" * 64)["error"]

        assert ask(environment=OFFLINE, sha256=HASH)["sha256"] == HASH
        assert f"wanted {'1' * 64}, found {HASH}; correct the encoder's `sha256`, `hub` or `revision`" in error

    @pytest.mark.parametrize("blob", ["0" * 40, None])
    def test_where_the_hub_gave_no_hash_none_is_compared(self, ask, cached, blob):
        snapshot = cached(FILES, blob=blob or HASH)
        if blob is None:  # as on a system without symbolic links
            (snapshot / "model.safetensors").unlink()
            (snapshot / "model.safetensors").write_bytes(WEIGHTS)

        assert ask(environment=OFFLINE)["sha256"] == HASH

    @pytest.mark.parametrize("lost", [None, "config.json", "model.safetensors", "vocab.txt"])
    def test_without_download_it_says_that_the_encoder_is_not_here(self, ask, cached, hub, lost):
        if lost is not None:
            cached({name: content for name, content in FILES.items() if name != lost})
        answer = ask(download=False, environment={"HF_ENDPOINT": hub.url})

        assert answer["kind"] == "EncoderNotHereError"
        assert f"{REPOSITORY} at revision {REVISION} is not whole in the cache" in answer["error"]
        assert BY_HAND in answer["error"]
        assert hub.asked == []


class TestDownload:
    def test_it_is_fetched_once_and_checked(self, ask, hub):
        environment = {"HF_ENDPOINT": hub.url}
        answer = ask(environment=environment)
        asked = len(hub.asked)
        snapshot = Path(answer["folder"])

        assert answer["sha256"] == HASH
        assert {path.name for path in snapshot.iterdir()} == FILES.keys() - {"pytorch_model.bin"}
        assert (snapshot / "model.safetensors").readlink().name == HASH
        assert ask(environment=environment) == ask(download=False, environment=OFFLINE) == answer
        assert len(hub.asked) == asked

    def test_what_the_cache_lacks_is_added(self, ask, cached, hub):
        cached({name: content for name, content in FILES.items() if name != "vocab.txt"})

        assert ask(environment={"HF_ENDPOINT": hub.url})["sha256"] == HASH
        assert not hub.fetched("model.safetensors")

    def test_altered_weights_are_refused_until_the_damaged_file_is_deleted(self, ask, hub):
        altered = WEIGHTS.replace(b"really", b"Really")
        hub.announced["model.safetensors"] = HASH
        hub.files["model.safetensors"] = altered
        error = ask(environment={"HF_ENDPOINT": hub.url})["error"]
        assert f"wanted {HASH}, found {hashlib.sha256(altered).hexdigest()}; the download is damaged: delete" in error

        hub.files["model.safetensors"] = WEIGHTS
        Path(error.partition("delete ")[2].partition(" and start")[0]).unlink()
        assert ask(environment={"HF_ENDPOINT": hub.url})["sha256"] == HASH

    def test_a_kind_that_cannot_be_used_is_refused_before_its_weights_are_fetched(self, ask, hub):
        hub.files["config.json"] = b'{"model_type": "t5", "max_position_embeddings": 64}'
        error = ask(environment={"HF_ENDPOINT": hub.url})["error"]

        assert "is of an encoder of kind 't5'; choose one of kind bert, distilbert, roberta" in error
        assert not hub.fetched("model.safetensors")

    @pytest.mark.parametrize(
        ("name", "message"),
        [
            ("config.json", "has no config.json at revision"),
            ("model.safetensors", "has no model.safetensors at revision"),
            ("vocab.txt", "has no tokenizer at revision"),
        ],
    )
    def test_a_repository_without_a_file_that_is_needed(self, ask, hub, name, message):
        del hub.files[name]

        assert f"the repository {REPOSITORY} {message}" in ask(environment={"HF_ENDPOINT": hub.url})["error"]

    @pytest.mark.parametrize(
        ("refusal", "message"),
        [
            ((404, "RepoNotFound"), "has no repository org/tiny-bert, or a private one; correct the encoder's `hub`"),
            ((401, "RepoNotFound"), "has no repository org/tiny-bert, or a private one"),
            ((401, ""), "does not let you read org/tiny-bert; log in by `hf auth login`"),
            ((404, "RevisionNotFound"), f"has no revision {REVISION}; take a commit from http"),
            ((401, "GatedRepo"), "the repository org/tiny-bert is gated; accept its terms on http"),
            ((403, ""), "does not let you read org/tiny-bert; log in by `hf auth login`"),
            ((500, ""), "cannot be downloaded (http"),
        ],
    )
    def test_what_the_hub_refuses_is_said_in_one_line(self, ask, hub, refusal, message):
        hub.refusal = refusal
        answer = ask(environment={"HF_ENDPOINT": hub.url})

        assert answer["kind"] == "DataError"
        assert message in answer["error"]
        assert len([question for question in hub.asked if REPOSITORY in question]) == 1


class TestWithoutANetwork:
    def test_a_hub_that_must_not_be_asked(self, ask, hub):
        answer = ask(environment={"HF_ENDPOINT": hub.url, **OFFLINE})

        assert answer["kind"] == "DataError"
        assert (
            "cannot be downloaded (HF_HUB_OFFLINE or TRANSFORMERS_OFFLINE is set); unset it, or run" in answer["error"]
        )
        assert BY_HAND in answer["error"]
        assert hub.asked == []

    def test_a_hub_that_cannot_be_reached(self, ask):
        with socket.socket() as taken:
            taken.bind(("127.0.0.1", 0))  # never listens, and nobody else can
            endpoint = f"http://127.0.0.1:{taken.getsockname()[1]}"
            answer = ask(environment={"HF_ENDPOINT": endpoint})

        assert f"cannot be downloaded ({endpoint}: [Errno" in answer["error"]
        assert "try again, or run" in answer["error"]
        assert BY_HAND in answer["error"]
