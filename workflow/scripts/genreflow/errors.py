"""Errors that a user can mend, told in one message."""

from __future__ import annotations

from collections.abc import Sequence


def printable(text: str) -> str:
    """Return a text without what would act on a terminal instead of being shown.

    Line ends stay.  Escape sequences, marks that reverse the writing and bytes that are no UTF-8
    are written as Python escapes them: names of files may hold any.
    """
    return "".join(c if c.isprintable() or c == "\n" else repr(c)[1:-1] for c in text)


def some_of(names: Sequence[str], most: int = 5) -> str:
    """Return the first names, quoted and escaped where needed, and how many more there are."""
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return (", ".join(map(repr, names[:most])) or "nothing") + more


class UserError(Exception):
    """A mistake in the user's input: what was found, where, what was expected, what to do.

    Parameters
    ----------
    found
        What is wrong, with the offending value.
    where
        The file, key or line it was found in.
    expected
        What would have been right.
    hint
        What to do next.
    """

    def __init__(self, found: str, *, where: str = "", expected: str = "", hint: str = "") -> None:
        lines = [found]
        lines += [f"  Where: {where}"] if where else []
        lines += [f"  Expected: {expected}"] if expected else []
        lines += [f"  Hint: {hint}"] if hint else []
        super().__init__(printable("\n".join(lines)))
