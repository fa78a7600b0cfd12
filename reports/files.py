"""Files that a reader asked for: each is written whole, or what was there before stays."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path

from model.history.run_folder import RunFolderError


def write_text(out: Path, text: str, what: str) -> Path:
    """Write ``text`` to ``out``, in place of an earlier one, and return ``out``; ``what`` is its name in an error.

    Raises :class:`model.history.schema.HistoryError`, one line, where ``out`` cannot be written; its folder has to be there.
    """
    place = out.resolve()
    partial = place.with_name(f".{place.name}.{os.getpid()}.partial")
    try:
        if place.exists() and not place.is_file():  # a pipe or a device is written, not replaced
            place.write_text(text, encoding="utf-8")
            return out
        partial.write_text(text, encoding="utf-8")
        os.replace(partial, place)
    except OSError as error:
        with suppress(OSError):
            partial.unlink()
        raise RunFolderError(f"{out}: {error.strerror}: {what} cannot be written; choose another path", "disk") from error
    return out
