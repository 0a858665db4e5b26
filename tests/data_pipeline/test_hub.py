"""An encoder named by repository and commit: found in the cache, or downloaded from a fake hub.

huggingface_hub reads its environment when it is imported, so a test asks in a process for each environment.
"""

import hashlib
import json
import os
import re
import socket
import subprocess
import sys
from fnmatch import fnmatch
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import save

from data_pipeline.encoder import resolve_encoder
from data_pipeline.tokenizer_files import WORDPIECE_FILES
from tests.helpers.facts import assert_names
from tests.helpers.fake_hub import FakeHub, serving

REPOSITORY, REVISION = "org/tiny-bert", "0123456789abcdef0123456789abcdef01234567"
WEIGHTS = save({"weight": np.zeros(5000, dtype=np.float32)})
PICKLE = "pytorch_model.bin"
HASH = hashlib.sha256(WEIGHTS).hexdigest()
FILES = {
    "config.json": b'{"model_type": "bert", "max_position_embeddings": 64}',
    "model.safetensors": WEIGHTS,
    PICKLE: b"the same weights once more",
    "tokenizer_config.json": b"{}",
    "vocab.txt": b"[PAD]\n[UNK]\n[CLS]\n[SEP]\n",
}
OFFLINE = {"HF_HUB_OFFLINE": "1"}
OFFLINE_ADVICE = (f"hf download {REPOSITORY} --revision {REVISION} --include ", "--local-dir FOLDER", "`sha256`")
ASK = """
import json, sys
from data_pipeline.encoder import resolve_encoder
from data_pipeline.errors import DataError
for line in sys.stdin:
    try:
        found = resolve_encoder(**json.loads(line))
        answer = dict(folder=str(found.folder), sha256=found.weights_sha256, fingerprint=found.fingerprint)
    except DataError as error:
        answer = dict(kind=type(error).__name__, error=str(error))
    assert "torch" not in sys.modules
    print(json.dumps(answer), flush=True)
"""


@pytest.fixture
def ask(tmp_path):
    """`ask(download=False, environment={...})` is what `resolve_encoder` answers, with a cache in tmp_path."""
    processes: dict[str, subprocess.Popen[str]] = {}
    foreign = ("HF_", "HUGGINGFACE_", "TRANSFORMERS_", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY")
    usual = {name: value for name, value in os.environ.items() if not name.upper().startswith(foreign)}
    usual |= {"HF_HOME": str(tmp_path), "HF_ENDPOINT": "http://127.0.0.1:9", "HF_TOKEN": ""}

    def run(*, environment: dict[str, str], **arguments: object) -> dict[str, str]:
        key = json.dumps(environment)
        if key not in processes:
            processes[key] = subprocess.Popen(
                [sys.executable, "-c", ASK],
                env=usual | environment,
                cwd=Path(__file__).parents[2],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=(tmp_path / "stderr").open("a"),
                text=True,
            )
        process = processes[key]
        process.stdin.write(json.dumps({"hub": REPOSITORY, "revision": REVISION, **arguments}) + "\n")
        process.stdin.flush()
        answer: dict[str, str] = json.loads(process.stdout.readline() or f'"{process.wait()}"')
        assert "\n" not in answer.get("error", "")
        return answer

    yield run
    for process in processes.values():
        process.communicate(timeout=60)
        assert process.returncode == 0
    assert "Traceback" not in (tmp_path / "stderr").read_text()


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
    def test_cached_encoder_is_found_without_a_network(self, ask, cached):
        snapshot = cached(FILES)
        answer = ask(download=False, environment=OFFLINE)

        assert (answer["folder"], answer["sha256"]) == (str(snapshot), HASH)
        assert answer["fingerprint"] == resolve_encoder(snapshot).fingerprint  # the same files are the same encoder

    def test_weights_must_have_the_hash_of_the_settings_or_else_the_one_of_the_hub(self, ask, cached):
        snapshot = cached(FILES, blob="0" * 64)
        damaged, blob = ask(environment=OFFLINE)["error"], str(snapshot.parents[1] / "blobs" / ("0" * 64))

        assert_names(damaged, "0" * 64, HASH, blob)
        assert ask(environment=OFFLINE, sha256=HASH)["sha256"] == HASH
        other = ask(environment=OFFLINE, sha256="1" * 64)["error"]
        assert_names(other, "1" * 64, HASH, "`sha256`", "`hub`", "`revision`")
        assert blob not in other

    def test_where_the_hub_gave_no_hash_none_is_compared(self, ask, cached):
        weights = cached(FILES, blob="0" * 40) / "model.safetensors"
        assert ask(environment=OFFLINE)["sha256"] == HASH

        weights.unlink()
        weights.write_bytes(WEIGHTS)  # as on a system without symbolic links
        assert ask(environment=OFFLINE)["sha256"] == HASH

    def test_an_incomplete_encoder_is_completed_only_where_a_download_is_allowed(self, ask, cached, hub):
        def refused():
            answer = ask(download=False, environment={"HF_ENDPOINT": hub.url})
            assert answer["kind"] == "EncoderNotHereError"
            assert_names(answer["error"], REPOSITORY, REVISION, *OFFLINE_ADVICE)

        refused()
        snapshot = cached(FILES)
        for lost in ("config.json", "model.safetensors", "vocab.txt"):
            (snapshot / lost).rename(snapshot / "lost")
            refused()
            (snapshot / "lost").rename(snapshot / lost)
        assert hub.asked == []

        (snapshot / "vocab.txt").unlink()
        assert ask(environment={"HF_ENDPOINT": hub.url})["sha256"] == HASH
        assert not hub.fetched("model.safetensors")


class TestDownload:
    def test_it_is_downloaded_once_and_checked(self, ask, hub):
        environment = {"HF_ENDPOINT": hub.url}
        answer = ask(environment=environment)
        asked = len(hub.asked)
        snapshot = Path(answer["folder"])

        assert answer["sha256"] == HASH
        assert {path.name for path in snapshot.iterdir()} == FILES.keys() - {PICKLE}
        assert (snapshot / "model.safetensors").readlink().name == HASH
        assert ask(environment=environment) == ask(download=False, environment=OFFLINE) == answer
        assert len(hub.asked) == asked

    def test_altered_weights_are_refused_until_the_damaged_file_is_deleted(self, ask, hub, tmp_path):
        altered = save({"weight": np.ones(5000, dtype=np.float32)})
        hub.announced["model.safetensors"] = HASH
        hub.files["model.safetensors"] = altered
        error = ask(environment={"HF_ENDPOINT": hub.url})["error"]
        [damaged] = tmp_path.rglob(f"blobs/{HASH}")
        assert_names(error, HASH, hashlib.sha256(altered).hexdigest(), damaged)

        hub.files["model.safetensors"] = WEIGHTS
        damaged.unlink()
        assert ask(environment={"HF_ENDPOINT": hub.url})["sha256"] == HASH

    def test_an_unusable_repository_is_refused_before_its_weights_are_downloaded(self, ask, hub):
        environment = {"HF_ENDPOINT": hub.url}
        for name, fact in (("config.json", "config.json"), ("model.safetensors", "save_pretrained"), (PICKLE, "`hub`")):
            hub.files.pop(name)
            assert_names(ask(environment=environment)["error"], REPOSITORY, fact, REVISION, "`hub`")
            hub.files |= {"config.json": FILES["config.json"]}
        hub.files |= FILES

        del hub.files["model.safetensors"]
        [download, convert] = re.findall("`((?:hf|python) [^`]*)`", ask(environment=environment)["error"])
        fetched = re.findall("--include '(.*?)'", download)
        for name in ("config.json", PICKLE, *WORDPIECE_FILES):
            assert any(fnmatch(name, pattern) for pattern in fetched), name
        assert_names(download, REPOSITORY, REVISION, "FOLDER")
        assert_names(convert, "from_pretrained('FOLDER')", "save_pretrained('FOLDER')")
        hub.files |= FILES

        hub.files["config.json"] = b'{"model_type": "t5", "max_position_embeddings": 64}'
        assert_names(ask(environment=environment)["error"], "'t5'", "bert", "distilbert", "roberta")
        assert not hub.fetched("model.safetensors")

    def test_shards_are_downloaded_with_their_index_and_each_is_compared_with_its_hash(self, ask, hub, tmp_path):
        names = ("model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors")
        listed = {"weight_map": {f"weight{number}": name for number, name in enumerate(names)}}
        hub.files |= {name: save({tensor: np.zeros(9)}) for tensor, name in listed["weight_map"].items()}
        hub.files["model.safetensors.index.json"] = json.dumps(listed).encode()
        del hub.files["model.safetensors"]
        hub.announced[names[1]] = HASH
        environment = {"HF_ENDPOINT": hub.url}
        error = ask(environment=environment)["error"]
        [damaged] = tmp_path.rglob(f"blobs/{HASH}")
        assert_names(error, names[1], HASH, damaged)

        damaged.unlink()
        del hub.announced[names[1]]
        answer = ask(environment=environment)
        assert {*names} < {path.name for path in Path(answer["folder"]).iterdir()}
        assert ask(download=False, environment=OFFLINE) == answer

    def test_a_repository_without_a_tokenizer_is_refused(self, ask, hub):
        del hub.files["vocab.txt"]
        error = ask(environment={"HF_ENDPOINT": hub.url})["error"]
        assert_names(error, REPOSITORY, "tokenizer", REVISION, "`hub`", "`path`")

    def test_each_refusal_of_the_hub_is_one_line_with_its_remedy(self, ask, hub):
        correct = ("`hub`", "`revision`", "`hf auth login`")
        for refusal, facts in (
            ((404, "RepoNotFound"), ("Repository Not Found", *correct)),
            ((403, ""), ("403", *correct)),
            ((404, "RevisionNotFound"), ("Revision Not Found", *correct)),
            ((401, "GatedRepo"), ("gated", *correct)),
            ((500, ""), ("500", *OFFLINE_ADVICE)),
        ):
            hub.refusal = refusal
            hub.asked.clear()
            answer = ask(environment={"HF_ENDPOINT": hub.url})

            assert answer["kind"] == "DataError"
            assert_names(answer["error"], hub.url, REPOSITORY, REVISION, *facts)
            assert len([question for question in hub.asked if REPOSITORY in question]) == 1


def test_offline_the_hub_is_not_asked(ask, hub):
    answer = ask(environment={"HF_ENDPOINT": hub.url, **OFFLINE})

    assert answer["kind"] == "DataError"
    assert_names(answer["error"], "HF_HUB_OFFLINE", *OFFLINE_ADVICE)
    assert hub.asked == []


def test_a_hub_that_cannot_be_reached_is_refused_with_the_command_for_another_machine(ask):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # never listens, and nobody else can
        endpoint = f"http://127.0.0.1:{taken.getsockname()[1]}"

        assert_names(ask(environment={"HF_ENDPOINT": endpoint})["error"], endpoint, "[Errno", *OFFLINE_ADVICE)
