"""What is told to the user in one line instead of a traceback."""


class InputError(ValueError):
    """Wrong input, whatever its kind: each line of the message says what is wrong, where, and what to do."""


def one_line(text: str) -> str:
    r"""The text with all that would break a line, or that a terminal would obey, spelled out, as `\n` and `\x1b`."""
    return "".join(each if each.isprintable() else each.encode("unicode_escape").decode() for each in text)


class DataError(InputError):
    """Reviews, an encoder or a tokenizer that cannot be used."""


class ReviewsNotHereError(DataError):
    """The official reviews would have to be downloaded, and that was not asked for."""
