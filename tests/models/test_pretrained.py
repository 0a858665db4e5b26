"""Each kind of encoder works as a BERT does: frozen, fine-tuned, cached, saved, alone or out of a task's model."""

import json
from dataclasses import replace
from pathlib import Path

import pytest
import torch
import transformers
from safetensors.torch import load, load_file, save, save_file
from torch import nn
from torch.nn import functional as F

from data_pipeline.batch import Batch
from data_pipeline.encoder import resolve_encoder
from models.cpu_kernels import ATTENTION
from models.pretrained import KINDS, max_tokens
from models.registry import ModelContext
from tests.helpers.networks import finetuned, frozen

VOCABULARY, POSITIONS = 100, 20
LENGTHS = [7, 2, 12, 4, 12, 3]
SIZES = {
    "hidden_size": 32,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "intermediate_size": 64,
    "vocab_size": VOCABULARY,
    "max_position_embeddings": POSITIONS,
    "initializer_range": 0.2,  # with the usual 0.02 all reviews look alike to a random encoder
}
SHAPES = {
    "bert": lambda: transformers.BertConfig(**SIZES),
    "distilbert": lambda: transformers.DistilBertConfig(
        dim=32, n_layers=2, n_heads=4, hidden_dim=64, **{k: SIZES[k] for k in list(SIZES)[4:]}
    ),
    "roberta": lambda: transformers.RobertaConfig(**SIZES),
}
LONGEST = {"bert": POSITIONS, "distilbert": POSITIONS, "roberta": POSITIONS - 2}


@pytest.fixture(scope="module", params=list(KINDS))
def kind(request) -> str:
    return request.param


@pytest.fixture(scope="module")
def task_model(kind) -> transformers.PreTrainedModel:
    """A masked language model, as the publishers' checkpoints of these encoders are."""
    torch.manual_seed(0)
    return transformers.AutoModelForMaskedLM.from_config(SHAPES[kind]()).eval()


@pytest.fixture(scope="module")
def folder(task_model, tmp_path_factory) -> Path:
    """The encoder alone in the files that a real one has."""
    path = tmp_path_factory.mktemp("encoder")
    task_model.base_model.save_pretrained(path)
    (path / "vocab.txt").write_text("[PAD]\n")
    return path


@pytest.fixture
def context(folder) -> ModelContext:
    return ModelContext(vocab_size=VOCABULARY, encoder_dir=folder)


@pytest.fixture
def batch(make_batch, kind):
    """batch([5, 3], padding=2) as the encoder's own tokenizer pads it: a RoBERTa's padding is 1, and no word is."""

    def make(lengths: list[int] = LENGTHS, *, padding: int = 0) -> Batch:
        made = make_batch(lengths, padding=padding)
        if kind != "roberta":
            return made
        words = made.input_ids.clamp(min=2)
        return replace(made, input_ids=torch.where(made.attention_mask, words, 1))

    return make


class TestEveryKind:
    def test_features_are_those_of_the_embeddings_and_of_each_layer(self, context, batch, task_model):
        model, reviews = frozen(context), batch()
        features = model.extract_features(reviews)
        alone = task_model.base_model(reviews.input_ids[1:2, : LENGTHS[1]], output_hidden_states=True)

        assert features.shape == (len(LENGTHS), 3, 2, 32)
        assert features.dtype == torch.float16
        assert len(alone.hidden_states) == 3
        assert torch.equal(alone.hidden_states[-1], alone.last_hidden_state)
        for layer, states in enumerate(alone.hidden_states):
            cls, mean = features[1, layer].float()
            torch.testing.assert_close(cls, states[0, 0], rtol=0, atol=4e-3)
            torch.testing.assert_close(mean, states[0].mean(dim=0), rtol=0, atol=4e-3)

    def test_cached_features_give_the_logits_that_tokens_give_and_a_finetuned_one_starts_there(self, context, batch):
        settings, reviews = {"layers": "all", "pooling": "mean"}, batch()
        model = frozen(context, **settings).eval()
        cached = replace(reviews, input_ids=reviews.input_ids[:, :0], features=model.extract_features(reviews))

        assert torch.equal(model(cached), model(reviews))
        torch.testing.assert_close(finetuned(context, **settings)(reviews), model(reviews), rtol=0, atol=2e-3)

    def test_the_gradient_reaches_every_weight_that_is_trained(self, context, batch):
        embeddings = {f"embeddings.{name}" for name, _ in finetuned(context).encoder.embeddings.named_parameters()}
        everything = {name for name, _ in finetuned(context).encoder.named_parameters()}
        for model, still in (
            (finetuned(context), set()),
            (finetuned(context, freeze_embeddings=True), embeddings),
            (frozen(context), everything),
        ):
            reviews = batch()
            F.cross_entropy(model(reviews), reviews.labels).backward()
            grouped = {id(p) for group in model.parameter_groups() for p in group.parameters}

            for parameter in model.parameters():
                trained = id(parameter) in grouped
                assert parameter.requires_grad == trained == (parameter.grad is not None)
            assert {name for name, p in model.encoder.named_parameters() if not p.requires_grad} == still
            assert {id(p) for p in model.head.parameters()} <= grouped

    @pytest.mark.parametrize(("build", "rate", "steps"), [(frozen, 0.02, 60), (finetuned, 0.005, 20)])
    def test_one_batch_can_be_learned_by_heart(self, context, batch, learn_by_heart, build, rate, steps):
        assert learn_by_heart(build(context, layers="all", pooling="mean"), batch(), rate, steps=steps) < 0.1

    def test_dropouts_are_those_of_the_settings(self, context):
        model = finetuned(context, attention_dropout=0.3, hidden_dropout=0.2)
        rates = {name: m.p for name, m in model.encoder.named_modules() if isinstance(m, nn.Dropout)}
        attention = {name for name in rates if name.endswith(("attention.self.dropout", "attention.dropout"))}

        assert rates == {name: 0.3 if name in attention else 0.2 for name in rates}
        assert len(attention) == 2

    @pytest.mark.parametrize("setting", ["attention_dropout", "hidden_dropout"])
    def test_each_dropout_works_in_training_only(self, context, batch, setting):
        model, reviews = finetuned(context, **{setting: 0.5}), batch()

        assert not torch.equal(model(reviews), model(reviews))
        model.eval()
        assert torch.equal(model(reviews), model(reviews))

    @pytest.mark.parametrize(("build", "settings"), [(frozen, {"standardize": True, "layers": "all"}), (finetuned, {})])
    def test_saved_and_built_without_the_folders_weights_it_is_the_same(
        self, context, batch, tmp_path, build, settings
    ):
        shape = json.loads((context.encoder_dir / "config.json").read_text())
        (tmp_path / "config.json").write_text(json.dumps(shape | {"dtype": "float16"}))
        model = build(context, **settings)
        if model.frozen:
            model.learn([batch()])
        other = build(replace(context, encoder_dir=tmp_path, pretrained=False), **settings)
        other.load_state_dict(load(save(model.state_dict())))

        assert str(other) == str(model)
        assert {p.dtype for p in other.parameters()} == {torch.float32}
        assert [p.requires_grad for p in model.parameters()] == [p.requires_grad for p in other.parameters()]
        assert other.encoder.config._attn_implementation == model.encoder.config._attn_implementation == ATTENTION
        assert torch.equal(other.eval()(batch()), model.eval()(batch()))
        assert not [name for name in model.state_dict() if "pooler" in name]

    @pytest.mark.parametrize("build", [frozen, finetuned])
    def test_it_reads_as_many_tokens_as_it_has_positions_for(self, context, batch, kind, build):
        model, longest = build(context), LONGEST[kind]

        assert resolve_encoder(context.encoder_dir).max_positions == max_tokens(model.encoder.config) == longest
        assert model(batch([longest, 3])).isfinite().all()
        with pytest.raises(ValueError, match=f"{longest + 1} tokens.*{longest} positions"):
            model(batch([longest + 1, 3]))


class TestTaskCheckpoints:
    """What the publishers give is the encoder within a model of words left out: its names have a prefix."""

    @pytest.fixture
    def saved(self, task_model, tmp_path):
        """saved(old=1, kind=None) is the task model's folder, with these changes to its config.json."""

        def save_it(**changes):
            task_model.save_pretrained(tmp_path)
            shape = json.loads((tmp_path / "config.json").read_text()) | changes
            (tmp_path / "config.json").write_text(json.dumps({k: v for k, v in shape.items() if v is not None}))
            return tmp_path

        return save_it

    def test_the_encoder_within_is_taken_out(self, saved, kind, context, batch):
        folder = saved()
        within = frozen(replace(context, encoder_dir=folder))

        assert any(name.startswith(f"{kind}.") for name in load_file(folder / "model.safetensors"))
        assert torch.equal(within.extract_features(batch()), frozen(context).extract_features(batch()))

    def test_names_of_the_first_releases_are_known(self, saved, context, batch):
        """google-bert/bert-base-uncased says gamma and beta, and its config has keys that are no more."""
        folder = saved(gradient_checkpointing=False, position_embedding_type="absolute", use_cache=True)
        weights = {
            name.replace("LayerNorm.weight", "LayerNorm.gamma").replace("LayerNorm.bias", "LayerNorm.beta"): weight
            for name, weight in load_file(folder / "model.safetensors").items()
        }
        assert any(name.endswith("LayerNorm.gamma") for name in weights)
        save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})

        within = frozen(replace(context, encoder_dir=folder))
        assert torch.equal(within.extract_features(batch()), frozen(context).extract_features(batch()))

    def test_a_weight_that_is_not_there_is_refused_here_too(self, saved, kind, context):
        folder = saved()
        weights = load_file(folder / "model.safetensors")
        del weights[next(name for name in weights if name.startswith(f"{kind}.") and "layer.1." in name)]
        save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})

        with pytest.raises(ValueError, match=r"1 .*layer\.1\."):
            frozen(replace(context, encoder_dir=folder))

    def test_another_kind_is_refused_with_those_that_are_known(self, saved, context):
        with pytest.raises(ValueError, match=r"electra.*bert, distilbert, roberta"):
            frozen(replace(context, encoder_dir=saved(model_type="electra")))

    @pytest.mark.parametrize("kind", ["bert"], scope="module")
    def test_a_bert_that_does_not_say_its_kind_is_one(self, saved, context):
        encoder = frozen(replace(context, encoder_dir=saved(model_type=None))).encoder

        assert type(encoder) is transformers.BertModel
