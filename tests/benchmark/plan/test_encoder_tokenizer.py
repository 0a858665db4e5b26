"""A tokenizer is compared with its encoder before a plan begins."""

import json

import pytest
import torch
from transformers import BertTokenizer, XLMRobertaTokenizer

from data_pipeline.tokenization import WordPieceTokenizer
from models.registry import ModelContext
from tests.helpers.encoders import SPECIAL, TEXT, WORDS, edit_config, look, refusal, reviews, write_tokenizer
from tests.helpers.facts import assert_names
from tests.helpers.networks import finetuned, frozen

IDS = len([*SPECIAL["bert"], *WORDS])
SMALLER = [  # is a bare vocab.txt, share of the ids, its end, is taken
    *((False, 0.3, "", True), (True, 0.7, "\n", True), (True, 0.95, "", True)),
    *((True, 0.7, "", False), (True, 0.4, "\n", False)),
]


class TestTokenizer:
    def test_another_padding_than_the_configs_is_refused_with_both_ids(self, copy):
        line = refusal(edit_config(copy("roberta"), pad_token_id=5))
        assert_names(line, "got 1", "expected 5")

    def test_one_with_more_ids_than_the_encoder_is_refused_with_both_counts(self, copy):
        folder = copy()
        ids = write_tokenizer(folder, "roberta")
        assert_names(refusal(folder), "tokenizer", f"got {ids}", f"at most {IDS}")

    def test_a_roberta_with_a_berts_is_refused_for_its_padding(self, copy):
        folder = copy("roberta")
        write_tokenizer(folder, "bert")
        assert_names(refusal(folder), "tokenizer", "got 0", "expected 1")

    def test_a_bert_may_pad_with_another_id_than_its_config_says(self, copy):
        """Multilingual MiniLM and E5: the config's padding is 0, the XLM-R tokenizer's 1, and 0 is what is read."""
        folder = copy()
        words = [
            *SPECIAL["roberta"][:4],
            *(f"\N{LOWER ONE EIGHTH BLOCK}{word}" for word in dict.fromkeys(TEXT.split())),
        ]
        XLMRobertaTokenizer(vocab=[(word, -1.0) for word in words]).save_pretrained(folder)
        look(folder)
        tokenizer = WordPieceTokenizer(folder)
        assert (tokenizer.pad_id, tokenizer.prefix_ids) == (1, (0,))

        for build in (frozen, finetuned):
            batch, padded = (reviews([8, 3], tokenizer.pad_id, padding=padding) for padding in (0, 4))
            for some in (batch, padded):
                some.input_ids[:, 0] = 0
            edit_config(folder, pad_token_id=0)
            logits = build(ModelContext(IDS, encoder_dir=folder)).eval()(batch)
            torch.testing.assert_close(
                build(ModelContext(IDS, encoder_dir=folder)).eval()(padded), logits, rtol=0, atol=1e-5
            )
            edit_config(folder, pad_token_id=1)
            assert torch.equal(build(ModelContext(IDS, encoder_dir=folder)).eval()(batch), logits)

    @pytest.mark.parametrize(("bare", "share", "end", "taken"), SMALLER)
    def test_fewer_ids_than_word_vectors_are_refused_where_the_file_looks_cut(self, copy, bare, share, end, taken):
        """IndoBERT has 50,000 word vectors for 30,521 words."""
        folder = copy()
        words = [*SPECIAL["bert"], *WORDS]
        words = words[: int(share * len(words))]
        BertTokenizer(vocab={word: number for number, word in enumerate(words)}).save_pretrained(folder)
        if bare:
            for name in ("tokenizer.json", "tokenizer_config.json"):
                (folder / name).unlink()
            (folder / "vocab.txt").write_text("\n".join(words) + end)

        if taken:
            look(folder)
        else:
            assert_names(refusal(folder), "vocab.txt", f"got {len(words)}", f"expected {IDS}")

    def test_merges_that_are_cut_are_refused(self, copy):
        folder = copy("roberta")
        vocabulary = json.loads((folder / "tokenizer.json").read_text())["model"]
        (folder / "tokenizer.json").unlink()
        (folder / "vocab.json").write_text(json.dumps(vocabulary["vocab"]))
        for share, taken in ((1, True), (2, False)):
            pairs = vocabulary["merges"][: len(vocabulary["merges"]) // share]
            (folder / "merges.txt").write_text("".join(f"{' '.join(pair)}\n" for pair in pairs))
            if taken:
                look(folder)
        assert_names(refusal(folder), "merges.txt")

    @pytest.mark.parametrize(("says", "taken"), [(None, False), (False, True), (True, True)])
    def test_a_bare_vocabulary_with_capitals_must_say_whether_they_count(self, copy, says, taken):
        folder = copy()
        for name in ("tokenizer.json", "tokenizer_config.json"):
            (folder / name).unlink()
        words = [*SPECIAL["bert"], *WORDS]
        (folder / "vocab.txt").write_text("".join(f"{word}\n" for word in words))
        look(folder)
        (folder / "vocab.txt").write_text("".join(f"{word}\n" for word in [*words[:-1], "Good"]))
        if says is not None:
            (folder / "tokenizer_config.json").write_text(json.dumps({"do_lower_case": says}))

        if taken:
            look(folder)
        else:
            assert_names(refusal(folder), "vocab.txt", "'Good'", "do_lower_case")

    def test_a_bare_vocabulary_without_special_tokens_is_refused(self, copy):
        folder = copy()
        for name in ("tokenizer.json", "tokenizer_config.json"):
            (folder / name).unlink()
        (folder / "vocab.txt").write_text("".join(f"word{number}\n" for number in range(20)))

        assert_names(refusal(folder), "[CLS]")
