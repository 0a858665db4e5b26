"""A frozen BERT is a fixed feature extractor with a head; a fine-tuned one learns as a whole."""

import json
import re
from dataclasses import replace

import pytest
import torch
from safetensors.torch import load, load_file, save, save_file
from torch.nn import functional as F
from transformers.utils import logging as talk

from data_pipeline.batch import Batch
from models.bert import BertClassifier, Standardize
from models.registry import get_model_spec
from tests.helpers.facts import assert_names
from tests.helpers.networks import finetuned, frozen

LENGTHS = [7, 2, 12, 4, 12, 3]
POOLINGS_AND_LAYERS = [(pooling, layers) for pooling in ("cls", "mean") for layers in ("last", "all")]


def with_features(model: BertClassifier, batch: Batch) -> Batch:
    return replace(batch, input_ids=batch.input_ids[:, :0], features=model.extract_features(batch))


class TestFrozen:
    def test_the_encoder_stays_in_eval_mode_while_the_head_trains(self, context, make_batch):
        model, batch = frozen(context, dropout=0.5).train(), make_batch(LENGTHS)

        assert not any(module.training for module in model.encoder.modules())
        assert torch.equal(model.extract_features(batch), model.extract_features(batch))
        assert not torch.equal(model(batch), model(batch))
        model.eval()
        assert torch.equal(model(batch), model(batch))

    @pytest.mark.parametrize("standardize", [False, True])
    @pytest.mark.parametrize(("pooling", "layers"), POOLINGS_AND_LAYERS)
    def test_cached_features_give_the_logits_that_tokens_give(self, context, make_batch, pooling, layers, standardize):
        model = frozen(context, pooling=pooling, layers=layers, standardize=standardize).eval()
        batch = make_batch(LENGTHS)
        model.learn([batch])
        cached = model(with_features(model, batch))
        # the same reviews in another batch shape, with another amount of padding
        regrouped = model(make_batch([*LENGTHS, 5, 5], padding=6))[: len(LENGTHS)]

        assert torch.equal(cached, model(batch))
        # another shape may round a half the other way: 0.002 on a feature of size 3, a tenth of it on a logit
        torch.testing.assert_close(cached, regrouped, rtol=0, atol=1e-3)

    def test_pooling_and_layers_choose_among_the_features(self, context, make_batch):
        batch = make_batch([3])
        batch = replace(batch, features=torch.arange(3 * 2 * 32).view(1, 3, 2, 32).half())

        chosen = {
            (pooling, layers): frozen(context, pooling=pooling, layers=layers).pooled_features(batch)[0]
            for pooling, layers in POOLINGS_AND_LAYERS
        }

        assert chosen["cls", "last"].tolist() == list(range(128, 160))
        assert chosen["mean", "last"].tolist() == list(range(160, 192))
        assert chosen["cls", "all"].tolist() == [*range(32), *range(64, 96), *range(128, 160)]
        assert chosen["mean", "all"].tolist() == [*range(32, 64), *range(96, 128), *range(160, 192)]


class TestStandardize:
    def test_train_features_get_mean_0_and_variance_1(self, context, make_batch):
        model = frozen(context, pooling="mean", layers="all", standardize=True)
        batches = [make_batch([5, 9, 3, 7], seed=seed) for seed in range(8)]
        get_model_spec("bert-frozen").prepare(model, (with_features(model, batch) for batch in batches))
        scaled = torch.cat([model.standardize(model.pooled_features(batch)) for batch in batches])

        torch.testing.assert_close(scaled.mean(dim=0), torch.zeros(96), rtol=0, atol=1e-5)
        torch.testing.assert_close(scaled.var(dim=0, correction=0), torch.ones(96), rtol=0, atol=1e-4)

    def test_a_feature_without_variance_becomes_zero(self, context, make_batch):
        # [CLS] has the same id and place in all reviews, so the embeddings' output there is the same for all
        model = frozen(context, pooling="cls", layers="all", standardize=True)
        batches = [make_batch([5, 9, 3, 7], seed=seed) for seed in range(8)]
        for batch in batches:
            batch.input_ids[:, 0] = 1
        model.learn(batches)
        scaled = torch.cat([model.standardize(model.pooled_features(batch)) for batch in batches])

        assert scaled.isfinite().all()
        torch.testing.assert_close(scaled[:, :32], torch.zeros(32, 32), rtol=0, atol=2e-3)
        torch.testing.assert_close(scaled[:, 32:].var(dim=0, correction=0), torch.ones(64), rtol=0, atol=1e-3)

    def test_noise_of_rounding_is_not_blown_up(self):
        standardize = Standardize(2)
        neighbours = torch.tensor([3.0, 3.0 + 2**-9]).half()  # two halves with none between them
        standardize.learn([torch.stack([neighbours, torch.tensor([-1.0, 1.0]).half()], dim=1)])

        assert standardize.std.tolist() == [1.0, 1.0]
        assert standardize(torch.tensor([[3.01, 0.5]]))[0].tolist() == pytest.approx([0.009, 0.5], abs=1e-3)

    def test_a_small_deviation_beside_a_large_mean_is_found(self):
        standardize = Standardize(1)
        values = 100 + torch.randn(10_000, 1, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
        standardize.learn(values.split(32))

        assert standardize.std.item() == pytest.approx(values.std(correction=0).item(), rel=1e-5)

    def test_no_batches_are_refused(self, context):
        with pytest.raises(ValueError, match="features"):
            frozen(context, standardize=True).learn([])

    def test_the_hook_reads_no_batch_where_standardize_is_off(self, context):
        def batches() -> object:
            pytest.fail("a batch was read")
            yield

        model = frozen(context)
        get_model_spec("bert-frozen").prepare(model, batches())
        assert set(model.trained_state()) == {"head.0.weight", "head.0.bias", "head.2.weight", "head.2.bias"}


class TestFinetuned:
    def test_encoder_and_head_have_their_own_learning_rates(self, context):
        model = finetuned(context, head_learning_rate_scale=10.0)
        encoder, head = model.parameter_groups()

        assert (encoder.learning_rate_scale, head.learning_rate_scale) == (1.0, 10.0)
        assert {id(p) for p in encoder.parameters} == {id(p) for p in model.encoder.parameters()}
        assert {id(p) for p in head.parameters} == {id(p) for p in model.head.parameters()}

    @pytest.mark.parametrize(("pooling", "layers"), POOLINGS_AND_LAYERS)
    def test_it_starts_where_the_frozen_one_starts(self, context, make_batch, pooling, layers):
        settings, batch = {"pooling": pooling, "layers": layers}, make_batch(LENGTHS)
        logits, same = finetuned(context, **settings)(batch), frozen(context, **settings)(batch)
        torch.testing.assert_close(logits, same, rtol=0, atol=1e-3)  # the frozen one's features are halves

    def test_it_has_no_features_to_cache(self, context, make_batch):
        with pytest.raises(TypeError):
            finetuned(context).extract_features(make_batch(LENGTHS))


@pytest.mark.parametrize("build", [frozen, finetuned])
class TestBoth:
    def test_bf16_stays_close_to_fp32_whatever_the_padding_and_trains(self, context, make_batch, build):
        model, batch = build(context, layers="all", pooling="mean"), make_batch(LENGTHS)
        exact = model(batch)
        with torch.autocast("cpu", torch.bfloat16):
            rounded, loose = model(batch), model(make_batch(LENGTHS, padding=9))
        F.cross_entropy(rounded, batch.labels).backward()

        assert rounded.dtype == torch.float32
        torch.testing.assert_close(rounded, exact, rtol=0, atol=1e-2)
        torch.testing.assert_close(rounded, loose, rtol=0, atol=1e-2)
        assert all(p.grad.isfinite().all() for p in model.parameters() if p.requires_grad)

    def test_loading_prints_nothing_and_leaves_the_verbosity_of_transformers(self, context, build, capfd):
        before = talk.get_verbosity(), talk.is_progress_bar_enabled()
        build(context)

        assert capfd.readouterr() == ("", "")
        assert (talk.get_verbosity(), talk.is_progress_bar_enabled()) == before

    @pytest.mark.parametrize(
        ("change", "facts"),
        [
            ({"vocab_size": 101}, ["101", "100"]),
            ({"vocab_size": 101, "pretrained": False}, ["101", "100"]),
            ({"encoder_dir": None}, ["bert-"]),
        ],
    )
    def test_a_context_that_does_not_fit_is_refused(self, context, build, change, facts):
        with pytest.raises(ValueError, match=r"tokenizer|encoder") as error:
            build(replace(context, **change))
        assert_names(error, *facts)


class TestEncoderFolder:
    @pytest.fixture
    def rewrite(self, context, tmp_path):
        """rewrite(change) is a context whose encoder has the weights that `change` makes of the tiny BERT's."""

        def make(change, **settings):
            weights = change(load_file(context.encoder_dir / "model.safetensors"))
            save_file(weights, tmp_path / "model.safetensors", metadata={"format": "pt"})
            config = json.loads((context.encoder_dir / "config.json").read_text())
            (tmp_path / "config.json").write_text(json.dumps(config | settings))
            return replace(context, encoder_dir=tmp_path)

        return make

    @pytest.mark.parametrize("name", ["embeddings.LayerNorm.bias", "encoder.layer.1.output.dense.weight"])
    @pytest.mark.parametrize("misshapen", [False, True])
    def test_weights_missing_or_of_another_shape_are_refused(self, rewrite, name, misshapen):
        def spoil(weights):
            return {n: w[:5].clone() if n == name else w for n, w in weights.items() if misshapen or n != name}

        context = rewrite(spoil)
        with pytest.raises(ValueError, match=re.escape(name)) as error:
            frozen(context)
        assert_names(error, context.encoder_dir, 1)

    def test_weights_stored_as_halves_are_trained_in_full_precision(self, rewrite):
        halves = rewrite(lambda weights: {name: w.half() for name, w in weights.items()}, dtype="float16")
        assert {p.dtype for p in finetuned(halves).parameters()} == {torch.float32}


class TestTrainedState:
    def test_of_a_frozen_model_it_is_the_head_and_the_standardization(self, context):
        names = set(frozen(context, standardize=True).trained_state())
        head = {"head.0.weight", "head.0.bias", "head.2.weight", "head.2.bias"}
        assert names == head | {"standardize.mean", "standardize.std"}

    def test_of_a_finetuned_model_it_leaves_out_frozen_embeddings_alone(self, context):
        model = finetuned(context, freeze_embeddings=True)
        left_out = set(model.state_dict()) - set(model.trained_state())
        assert left_out == {f"encoder.embeddings.{name}" for name, _ in model.encoder.embeddings.named_parameters()}

    @pytest.mark.parametrize(
        ("build", "settings"), [(frozen, {"standardize": True}), (finetuned, {"freeze_embeddings": True})]
    )
    def test_a_new_model_with_it_gives_the_same_logits(self, context, make_batch, learn_by_heart, build, settings):
        batch, model, other = make_batch(LENGTHS), build(context, **settings), build(context, **settings)
        model.learn([batch])
        learn_by_heart(model, batch, 0.005, steps=3)
        assert not torch.equal(model(batch), other(batch))

        other.load_trained_state(load(save(model.trained_state())))
        assert torch.equal(model(batch), other(batch))

    def test_a_state_that_does_not_fit_is_refused(self, context):
        model = frozen(context)
        state = model.trained_state()
        state["tail.bias"] = state.pop("head.2.bias")
        state["head.0.weight"] = state["head.0.weight"][:, :5]

        with pytest.raises(RuntimeError, match=r"head\.2\.bias") as error:
            model.load_trained_state(state)
        assert_names(error, "tail.bias", "head.0.weight")


class TestExplained:
    @pytest.mark.parametrize("settings", [{}, {"pooling": "mean"}, {"layers": "all"}])
    def test_attention_is_what_transformers_own_eager_attention_pays(self, context, make_batch, settings):
        from transformers import BertModel

        model, batch = finetuned(context, **settings).eval(), make_batch([7, 2, 12], padding=3)
        eager = BertModel.from_pretrained(context.encoder_dir, attn_implementation="eager", add_pooling_layer=False)
        read = eager(batch.input_ids, attention_mask=batch.attention_mask, output_attentions=True)
        weights = model.attention_weights(batch)

        torch.testing.assert_close(weights, read.attentions[-1][:, :, 0].mean(dim=1), rtol=0, atol=1e-6)
        torch.testing.assert_close(weights.sum(dim=1), torch.ones(3), rtol=0, atol=1e-6)
        assert weights[~batch.attention_mask].count_nonzero() == 0

    def test_looking_at_attention_leaves_the_network_as_it_was(self, context, make_batch):
        model, batch = finetuned(context).eval(), make_batch(LENGTHS)
        before, state = model(batch), torch.get_rng_state()
        model.attention_weights(batch)

        assert torch.equal(model(batch), before)
        assert torch.equal(torch.get_rng_state(), state)

    @pytest.mark.parametrize(("pooling", "layers"), POOLINGS_AND_LAYERS)
    def test_a_frozen_encoder_lets_gradients_through_with_the_same_logits(self, context, make_batch, pooling, layers):
        model, batch = frozen(context, pooling=pooling, layers=layers).eval(), make_batch(LENGTHS)
        vectors = F.embedding(batch.input_ids, model.word_vectors().weight).requires_grad_()
        with model.word_vectors().register_forward_hook(lambda *_: vectors):
            logits = model.differentiable_logits(batch)
        logits.sum().backward()

        torch.testing.assert_close(logits, model(batch), rtol=0, atol=5e-3)  # of features in halves
        assert (vectors.grad.abs().sum(dim=-1)[batch.attention_mask] > 0).all()
