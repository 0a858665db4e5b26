"""The kinds of encoder, and the settings of config.json: those that shape the network, and those that do not.

Imports no torch. Another kind is one entry of KINDS; models/pretrained.py builds it.
"""

import json
from dataclasses import dataclass
from pathlib import Path

from data_pipeline.errors import DataError

_SHAPE = (
    *("vocab_size", "max_position_embeddings", "pad_token_id"),
    *("hidden_size", "num_hidden_layers", "num_attention_heads"),
)
_BERT_SHAPE = (
    *(*_SHAPE, "intermediate_size", "hidden_act", "type_vocab_size", "layer_norm_eps"),
    *("attention_probs_dropout_prob", "hidden_dropout_prob"),
)
_DISTILBERT_SHAPE = (
    *(*_SHAPE, "dim", "n_layers", "n_heads", "hidden_dim", "activation", "attention_dropout", "dropout"),
    "sinusoidal_pos_embds",  # of positions before they were trained: the weights hold them
)


@dataclass(frozen=True, slots=True)
class EncoderKind:
    """Differences between the kinds of encoder in transformers."""

    settings: tuple[str, ...]  # keys of config.json that shape its network
    attention_dropout: str  # key of the config
    hidden_dropout: str  # key of the config
    pad_id: int  # where config.json names none
    built_as_bert: bool = False  # its layers by the same names, and by default an unused layer on [CLS], the pooler
    counts_from_padding: bool = False  # the first token's position is the number after padding's id

    def max_positions(self, positions: int, pad_id: int) -> int:
        """Return the most tokens that it reads at once, special tokens included."""
        return positions - pad_id - 1 if self.counts_from_padding else positions


_BERT = ("attention_probs_dropout_prob", "hidden_dropout_prob")
KINDS = {  # by `model_type` of config.json
    "bert": EncoderKind(_BERT_SHAPE, *_BERT, pad_id=0, built_as_bert=True),
    "distilbert": EncoderKind(_DISTILBERT_SHAPE, "attention_dropout", "dropout", pad_id=0),
    "roberta": EncoderKind(_BERT_SHAPE, *_BERT, pad_id=1, built_as_bert=True, counts_from_padding=True),
}

# Settings of heads, of generation, of how the output is given and of bookkeeping: the encoder's states are the same.
MEANINGLESS = frozenset(
    (
        *("_commit_hash", "architectures", "attn_implementation", "_attn_implementation"),
        *("_attn_implementation_autoset", "bad_words_ids", "begin_suppress_tokens"),
        *("bos_token_id", "chunk_size_feed_forward", "cls_token_id", "custom_pipelines", "decoder_start_token_id"),
        *("diversity_penalty", "do_sample", "dtype", "early_stopping", "emb_size"),
        *("encoder_no_repeat_ngram_size", "eos_token_id", "eos_token_ids"),
        *("exponential_decay_length_penalty", "finetuning_task", "forced_bos_token_id"),
        *("initializer_range", "forced_eos_token_id", "gradient_checkpointing", "id2label", "label2id", "language"),
        *("length_penalty", "mask_token_id", "max_length", "min_length", "model_max_length", "model_type", "name"),
        *("_name_or_path", "name_or_path", "no_repeat_ngram_size", "num_beam_groups"),
        *("num_beams", "_num_labels", "num_labels", "num_return_sequences", "output_attentions"),
        *("optimum_version", "output_hidden_states", "output_past", "output_scores", "prefix", "problem_type"),
        *("qa_dropout", "remove_invalid_values", "repetition_penalty", "return_dict"),
        *("return_dict_in_generate", "sbert_ce_default_activation_function", "sentence_transformers", "sep_token_id"),
        *("seq_classif_dropout", "suppress_tokens", "task_specific_params", "temperature"),
        *("tie_weights_", "tie_word_embeddings", "tokenizer_class", "top_k", "top_p", "torch_dtype"),
        *("torchscript", "transformers.js_config", "transformers_version", "typical_p", "unk_token_id"),
        *("unsloth_fixed", "unsloth_version", "use_bfloat16", "use_cache", "xla_device"),
    )
)
_OF_HEADS = ("classifier_", "pooler_", "summary_")
_USUAL = {"position_embedding_type": "absolute", "directionality": "bidi"}  # all that these kinds can do
_OFF: tuple[object, ...] = (None, False, "", [], {})  # what a setting says that is off


def max_positions(path: Path, content: bytes) -> int:
    """Return how many tokens the encoder with this config.json, whose content is given, reads at once.

    Raises:
        DataError: it is no config of an encoder that can be built, or says more than the network does.
    """
    try:
        config = json.loads(content)
        name = config.get("model_type", "bert")  # the first BERTs name no kind
    except (ValueError, AttributeError, RecursionError):
        raise DataError(f"{path}: not a JSON object. Put the encoder's own config there.") from None
    if not isinstance(name, str) or name not in KINDS:
        raise DataError(f"{path}: unsupported kind of encoder {name!r:.60}. Choose one of {', '.join(KINDS)}.")
    kind = KINDS[name]
    for key, value in config.items():
        if not _understood(kind, key, value):
            raise DataError(
                f"{path}: {key!r:.60} (got {value!r:.40}) is a setting that the network would not follow. Choose"
                " another encoder, or delete the setting if it means nothing."
            )
    positions, pad_id = config.get("max_position_embeddings"), config.get("pad_token_id", kind.pad_id)
    if not _is_count(positions):
        raise DataError(f"{path}: no valid max_position_embeddings. Put the encoder's own config there.")
    if not _is_count(pad_id) and (pad_id is not None or kind.counts_from_padding):
        raise DataError(
            f"{path}: no valid pad_token_id, from which a RoBERTa counts positions (got {pad_id!r:.40}, usually"
            f" {kind.pad_id}). Write the id of padding in the tokenizer there."
        )
    return kind.max_positions(positions, pad_id)


def _understood(kind: EncoderKind, key: str, value: object) -> bool:
    if key == "use_return_dict":
        return False  # transformers cannot read it, whatever it says
    known = key in kind.settings or key in MEANINGLESS or key.startswith(_OF_HEADS)
    return known or value in _OFF or _USUAL.get(key) == value


def _is_count(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 0
