"""Small random encoders of every kind, with the tokenizer that belongs to each."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from benchmark.plan.encoder import check_encoder
from data_pipeline.encoder import Encoder, resolve_encoder
from data_pipeline.errors import DataError

SPECIAL = {
    "bert": ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"],
    "roberta": ["<s>", "<pad>", "</s>", "<unk>", "<mask>"],
}
TEXT = "a wonderful film that is not awful it was joy"
WORDS = [f"{sign}{word}" for sign in ("", "##") for word in TEXT.split()]
SIZES = {"num_hidden_layers": 2, "num_attention_heads": 4, "hidden_size": 32, "max_position_embeddings": 64}
WIDE = {"initializer_range": 0.2}  # with the usual 0.02 all reviews look alike to a random encoder


def write_encoder(folder: Path, kind: str, **settings: Any) -> Path:
    """Write the publisher's files of a masked language model: config.json, model.safetensors and tokenizer.json."""
    import torch
    from transformers import CONFIG_MAPPING, AutoModelForMaskedLM

    folder.mkdir(parents=True, exist_ok=True)
    vocab_size = write_tokenizer(folder, kind)
    inner = "hidden_dim" if kind == "distilbert" else "intermediate_size"
    shape = CONFIG_MAPPING[kind](vocab_size=vocab_size, **SIZES, **WIDE, **{inner: 64}, **settings)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        AutoModelForMaskedLM.from_config(shape).save_pretrained(folder)
    return folder


def write_tokenizer(folder: Path, kind: str) -> int:
    """Write the tokenizer of a kind; return the number of its ids."""
    if kind == "roberta":
        from tokenizers.implementations import ByteLevelBPETokenizer
        from transformers import RobertaTokenizer

        pairs = ByteLevelBPETokenizer()
        pairs.train_from_iterator([" ".join(WORDS)] * 3, vocab_size=290, special_tokens=SPECIAL[kind])
        pairs.save_model(str(folder))
        tokenizer = RobertaTokenizer.from_pretrained(folder)
        for name in ("vocab.json", "merges.txt"):
            (folder / name).unlink()
    else:
        from transformers import BertTokenizer

        tokenizer = BertTokenizer(vocab={word: number for number, word in enumerate([*SPECIAL["bert"], *WORDS])})
    tokenizer.save_pretrained(folder)
    return len(tokenizer)


def edit_config(folder: Path, **changes: Any) -> Path:
    """Change keys of config.json; `...` drops one."""
    path = folder / "config.json"
    content = json.loads(path.read_text()) | changes
    path.write_text(json.dumps({key: value for key, value in content.items() if value is not ...}))
    return folder


def edit_weights(folder: Path, change: Callable[[dict[str, Any]], dict[str, Any]]) -> Path:
    """Write `change(tensors)` as the weights."""
    from safetensors.torch import load_file, save_file

    path = folder / "model.safetensors"
    save_file(change(load_file(path)), path, metadata={"format": "pt"})
    return folder


def reviews(lengths: list[int], pad_id: int, *, padding: int = 0, ids: int = 20) -> Any:
    """Make a batch of random reviews, padded by `padding` tokens more than the longest; none has padding's id."""
    import torch

    from data_pipeline.batch import Batch

    generator = torch.Generator().manual_seed(0)
    input_ids = torch.full((len(lengths), max(lengths) + padding), pad_id)
    for row, length in zip(input_ids, lengths, strict=True):
        row[:length] = torch.randint(2, ids, (length,), generator=generator)
    names = tuple(f"review-{number}" for number in range(len(lengths)))
    return Batch(names, torch.arange(len(lengths)) % 2, input_ids, torch.tensor(lengths))


def look(folder: Path) -> Encoder:
    """Resolve the encoder in the folder and look at all of it, as a plan does."""
    found = resolve_encoder(folder)
    check_encoder(found)
    return found


def refusal(folder: Path) -> str:
    """Return the one line that refuses the encoder, with FOLDER for its folder."""
    with pytest.raises(DataError) as caught:
        look(folder)
    line = str(caught.value).replace(str(folder), "FOLDER")
    assert "\n" not in line
    assert len(line) < 300, line
    return line
