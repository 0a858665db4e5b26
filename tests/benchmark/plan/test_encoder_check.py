"""An encoder is looked at whole before a plan begins: what would be read otherwise than its files say is refused."""

import json
import re
import shutil

import pytest
import torch
from safetensors.torch import load_file

from benchmark.plan.encoder import check_local_encoders
from data_pipeline.encoder import resolve_encoder
from data_pipeline.encoder_kinds import KINDS
from data_pipeline.errors import DataError
from models.registry import ModelContext
from tests.helpers.encoders import SPECIAL, WORDS, edit_config, edit_weights, look, refusal, reviews
from tests.helpers.facts import assert_names
from tests.helpers.networks import finetuned, frozen


@pytest.mark.parametrize("kind", KINDS)
def test_the_publishers_files_are_taken(written, kind):
    assert look(written[kind]).max_positions == (62 if kind == "roberta" else 64)


class TestConfig:
    @pytest.mark.parametrize(
        ("key", "value"),
        [
            *(("position_embedding_type", "relative_key"), ("pruned_heads", {"0": [1]}), ("is_decoder", True)),
            *(("add_cross_attention", True), ("is_encoder_decoder", True), ("cross_attention_hidden_size", 32)),
            *(("quantization_config", {"bits": 8}), ("auto_map", {"AutoModel": "model.Mine"}), ("adapters", {"a": 1})),
            *(("hidden_act", "no_such"), ("num_attention_heads", 5), ("num_hidden_layers", 0), ("hidden_size", 64)),
            *(("num_hidden_layers", 1), ("num_hidden_layers", 3), ("num_hidden_layers", 10**9), ("vocab_size", 10**12)),
            *(("use_return_dict", False), ("layer_norm_eps", "small"), ("type_vocab_size", 3)),
            ("max_position_embeddings", 32),
        ],
    )
    def test_what_the_network_would_not_follow_is_refused_by_name(self, copy, key, value):
        line = refusal(edit_config(copy(), **{key: value}))

        names = (key, "layer.", "embeddings", "hidden size", "no_such", "numbers")
        assert any(part in line for part in names), line
        assert "FOLDER" in line

    @pytest.mark.parametrize("kind", KINDS)
    def test_what_says_nothing_about_the_states_changes_nothing(self, written, copy, kind):
        said = {
            **{"return_dict": False, "chunk_size_feed_forward": 16, "torchscript": True},
            **{"output_hidden_states": True, "output_attentions": True, "use_cache": False, "dtype": "float16"},
            **{"position_embedding_type": "absolute", "is_decoder": False, "pruned_heads": {}, "id2label": {"0": "x"}},
            **{"sbert_ce_default_activation_function": "torch.nn.modules.linear.Identity", "emb_size": 312},
            **{"custom_pipelines": {"a": {"impl": "b.C"}}, "unsloth_version": "1", "optimum_version": "1.2"},
            **{"transformers.js_config": {"dtype": "q8"}, "directionality": "bidi", "classifier_dropout": 0.1},
            **{"pooler_type": "first_token_transform", "gradient_checkpointing": True, "attn_implementation": "eager"},
        }
        changed = edit_config(copy(kind), **said)
        look(changed)
        batch = reviews([8, 3], KINDS[kind].pad_id)

        for build in (frozen, finetuned):
            logits = [build(ModelContext(20, encoder_dir=folder)).eval()(batch) for folder in (written[kind], changed)]
            assert torch.equal(*logits)

    @pytest.mark.parametrize("value", [None, "1", -1])
    def test_a_roberta_without_an_id_of_padding_is_told_so(self, copy, value):
        assert_names(
            refusal(edit_config(copy("roberta"), pad_token_id=value)), "pad_token_id", repr(value), "config.json"
        )


class TestWeights:
    @pytest.mark.parametrize(
        "name",
        [
            "bert.encoder.layer.0.attention.self.query.lora_A.default.weight",
            "bert.encoder.layer.0.output.adapters.task.adapter_down.0.weight",
            "bert.encoder.layer.2.output.dense.weight",
            "bert.encoder.layer.0.attention.self.distance_embedding.weight",
            "classifier.lora_A.weight",
            "adapters.0.weight",
        ],
    )
    def test_left_over_ones_are_refused_by_name(self, copy, name):
        folder = edit_weights(copy(), lambda tensors: tensors | {name: torch.ones(2, 2)})

        assert_names(refusal(folder), name)

    def test_without_a_prefix_those_of_no_known_head_are_refused(self, copy):
        for name, taken in (("classifier.weight", True), ("linear.weight", False)):
            bare = edit_weights(copy(), lambda tensors: {k.removeprefix("bert."): v for k, v in tensors.items()})
            edit_weights(bare, lambda tensors, name=name: tensors | {name: torch.ones(2, 2)})
            if taken:
                look(bare)
            else:
                assert_names(refusal(bare), name)
            shutil.rmtree(bare)

    @pytest.mark.parametrize(
        "name",
        [
            *("bert.pooler.dense.weight", "classifier.weight", "bert.embeddings.position_ids"),
            *("linear.weight", "fc.0.bias", "regressor.weight", "attention_head.weight"),  # ColBERT's, a user's own
        ],
    )
    def test_heads_and_buffers_of_the_publisher_are_not_needed(self, copy, name):
        look(edit_weights(copy(), lambda tensors: tensors | {name: torch.ones(1, 2)}))

    def test_a_missing_one_is_named(self, copy):
        lost = "encoder.layer.1.output.dense.weight"
        folder = edit_weights(copy(), lambda tensors: {k: v for k, v in tensors.items() if not k.endswith(lost)})

        assert_names(refusal(folder), lost)

    def test_an_adapter_beside_them_is_refused(self, copy):
        folder = copy()
        (folder / "adapter_config.json").write_text("{}")

        assert_names(refusal(folder), "adapter_config.json")


PLACEHOLDERS = {
    "git-lfs": lambda _: b"version https://git-lfs.github.com/spec/v1\noid sha256:" + b"0" * 64 + b"\nsize 90868376\n",
    "empty": lambda _: b"",
    "web page": lambda _: b"<!DOCTYPE html>\n<html><title>404</title></html>",
    "cut": lambda content: content[: len(content) // 2],
}


@pytest.mark.parametrize("file", ["model.safetensors", "tokenizer.json", "config.json", "vocab.txt"])
@pytest.mark.parametrize("what", PLACEHOLDERS)
def test_a_file_that_is_another_one_or_half_is_named(copy, file, what):
    folder = copy()
    if file == "vocab.txt":
        (folder / "tokenizer.json").unlink()
        (folder / file).write_text("".join(f"{word}\n" for word in [*SPECIAL["bert"], *WORDS]))
        look(folder)
    (folder / file).write_bytes(PLACEHOLDERS[what]((folder / file).read_bytes()))

    line = refusal(folder)
    assert_names(line, file)
    assert what == "cut" or what in line


class TestShards:
    @pytest.fixture
    def shards(self, copy):
        from transformers import AutoModelForMaskedLM

        folder = copy()
        model = AutoModelForMaskedLM.from_pretrained(folder)
        (folder / "model.safetensors").unlink()
        model.save_pretrained(folder, max_shard_size="20KB")
        assert len(list(folder.glob("model-*.safetensors"))) > 1
        return folder

    def test_they_are_the_same_encoder(self, written, shards):
        look(shards)
        batch = reviews([8, 3], 0)

        one, many = (frozen(ModelContext(20, encoder_dir=folder)).eval() for folder in (written["bert"], shards))
        assert torch.equal(one(batch), many(batch))

    def test_every_shard_is_part_of_the_fingerprint(self, shards):
        before = look(shards)
        edit = sorted(shards.glob("model-*.safetensors"))[-1]
        content = bytearray(edit.read_bytes())
        content[-1] ^= 1
        edit.write_bytes(content)

        after = look(shards)
        assert (after.fingerprint, after.weights_sha256) != (before.fingerprint, before.weights_sha256)
        assert resolve_encoder(shards, after.weights_sha256) == after
        with pytest.raises(DataError, match=before.weights_sha256):
            resolve_encoder(shards, before.weights_sha256)

    def test_a_lost_or_wrong_shard_is_named(self, shards):
        index, shard = shards / "model.safetensors.index.json", sorted(shards.glob("model-*.safetensors"))[0]
        listed = json.loads(index.read_text())
        for weight_map in ({}, {"x": "../model.safetensors"}, listed["weight_map"] | {"x": shard.name}):
            index.write_text(json.dumps({"weight_map": weight_map}))
            assert_names(refusal(shards), index.name)
        index.write_text(json.dumps(listed))
        shard.unlink()
        assert_names(refusal(shards), shard.name)


def test_a_pickle_is_refused_with_the_line_that_converts_it(copy):
    folder = copy()
    torch.save(load_file(folder / "model.safetensors"), folder / "pytorch_model.bin")
    (folder / "model.safetensors").unlink()

    with pytest.raises(DataError, match=r"pytorch_model.*\.bin") as refused:
        look(folder)
    (folder / "pytorch_model.bin").rename(folder / "pytorch_model-00001-of-00001.bin")
    assert_names(refusal(folder), "save_pretrained")
    (folder / "pytorch_model-00001-of-00001.bin").rename(folder / "pytorch_model.bin")
    [line] = re.findall('`python -c "(.*)"`', str(refused.value))
    exec(line)  # noqa: S102  as the user runs it
    look(folder)


@pytest.mark.parametrize("command", [["validate"], ["list"], ["run", "bert-frozen"], ["doctor"]])
def test_every_command_refuses_a_damaged_encoder_before_anything_is_done(here, call, copy, write_config, command):
    folder = copy()
    write_config(experiments={"bert-frozen": {"model": {"encoder": {"path": str(folder)}}}})
    (folder / "model.safetensors").write_bytes(PLACEHOLDERS["git-lfs"](b""))

    status, out, err = call(*command)

    assert status == (1 if command == ["doctor"] else 2)
    assert_names(out if command == ["doctor"] else err, str(folder / "model.safetensors"), "git-lfs")
    assert not (here / "mlruns").exists()


def test_one_folder_with_two_hashes_is_compared_with_both(copy, write_config):
    folder = copy()
    right, wrong = resolve_encoder(folder).weights_sha256, "0" * 64
    for first, second in ((right, wrong), (wrong, right)):
        encoders = {"bert-frozen": first, "bert-finetuned": second}
        experiments = {
            name: {"model": {"encoder": {"path": str(folder), "sha256": sha256}}} for name, sha256 in encoders.items()
        }
        file = write_config(profiles={"quick": {"experiments": list(experiments)}}, experiments=experiments)
        with pytest.raises(DataError, match=wrong):
            check_local_encoders(file)
