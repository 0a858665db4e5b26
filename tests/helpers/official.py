"""Small copies of the official reviews' layout, made by the tests."""

import gzip
import io
import tarfile
from collections.abc import Mapping
from pathlib import Path

FILMS = 12  # each with reviews in both classes of a split


def members(per_class: int = 24) -> dict[str, bytes]:
    """Return name and content of each file: `per_class` reviews per class of train and test, and the url lists."""
    files = {}
    for split in ("train", "test"):
        for class_, stars in (("neg", (1, 2, 3, 4)), ("pos", (7, 8, 9, 10))):
            for index in range(per_class):
                name = f"{split}/{class_}/{index}_{stars[index % 4]}.txt"
                files[name] = f"a {class_} review of {split}, number {index}<br />fin".encode()
            lines = [
                f"http://www.imdb.com/title/tt{split == 'test':d}{index % FILMS:03}/usercomments"
                for index in range(per_class)
            ]
            files[f"{split}/urls_{class_}.txt"] = "\n".join(lines).encode()
    files["README"] = b"what it is"
    files["train/labeledBow.feat"] = b"9 0:9"
    files["train/unsup/0_0.txt"] = b"not labelled"
    return files


def write_folder(folder: Path, files: Mapping[str, bytes]) -> Path:
    """Write the files below `folder`/aclImdb; return the folder."""
    for name, content in files.items():
        path = folder / "aclImdb" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    return folder


def write_archive(path: Path, files: Mapping[str, bytes], *more: tarfile.TarInfo, root: str = "aclImdb/") -> Path:
    """Write the files and bare members into a .tar.gz; return its path."""
    # The time of writing would change the hash from one second to the next.
    with gzip.GzipFile(path, "wb", mtime=0) as packed, tarfile.open(fileobj=packed, mode="w") as archive:
        for name, content in files.items():
            member = tarfile.TarInfo(f"{root}{name}")
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
        for member in more:
            archive.addfile(member)
    return path
