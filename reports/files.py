"""Files that a reader asked for."""

from __future__ import annotations

from pathlib import Path

from model.history.run_folder import RunFolderError


def write_text(out: Path, text: str, what: str) -> Path:
    """Write ``text`` to ``out``, in place of an earlier one, and return ``out``; ``what`` is its name in an error.

    Raises :class:`model.history.schema.HistoryError`, one line, where ``out`` cannot be written; its folder has to be there.
    """
    try:
        out.write_text(text, encoding="utf-8")
    except OSError as error:
        raise RunFolderError(f"{out}: {error.strerror}: {what} cannot be written; choose another path", "disk") from error
    return out
