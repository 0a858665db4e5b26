"""Seconds to tokenise the 50,000 official reviews from a cold cache, with words and with WordPiece.

python tools/speed/tokenising.py aclImdb_v1.tar.gz
"""

import sys
import time
from pathlib import Path
from tempfile import TemporaryDirectory

from data_pipeline.config import DataConfig, TokensConfig
from data_pipeline.encoder import resolve_encoder
from data_pipeline.load import load_corpus
from data_pipeline.pipeline import build_data
from data_pipeline.sources import Place


def main() -> None:
    with TemporaryDirectory() as cache:
        place = Place(data=Path(sys.argv[1]), cache_dir=Path(cache))
        corpus = load_corpus(DataConfig(source="aclimdb", train_size="all", val_size=2500, test_size="all"), place)
        for kind in ("word", "wordpiece"):
            started = time.perf_counter()
            build_data(corpus, TokensConfig(), kind, resolve_encoder().folder, Path(cache))
            print(f"{kind}: {time.perf_counter() - started:.1f} s")


if __name__ == "__main__":
    main()
