"""Texts of reviews as a terminal may have them."""


def shown(text: str, width: int) -> str:
    """The text in one line of at most `width` characters, without what a terminal would obey."""
    line = " ".join(text[: 10 * width].split())
    safe = "".join(character if character.isprintable() else "\N{REPLACEMENT CHARACTER}" for character in line)
    return safe if len(safe) <= width else f"{safe[: width - 1]}…"
