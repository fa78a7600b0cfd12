"""A file that somebody asked for is there whole, or what was there before."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest

from model.history.run_folder import RunFolderError
from reports.files import write_text


def test_an_earlier_file_is_replaced(tmp_path: Path) -> None:
    assert write_text(tmp_path / "page.html", "old", "the page") == tmp_path / "page.html"
    write_text(tmp_path / "page.html", "new ä", "the page")
    assert (tmp_path / "page.html").read_text(encoding="utf-8") == "new ä"
    assert os.listdir(tmp_path) == ["page.html"]


def test_where_the_disk_is_full_the_earlier_file_stays_and_nothing_else(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "page.html").write_text("old")
    write = Path.write_text

    def half(path: Path, text: str, **more: str) -> int:
        write(path, text[:2], **more)
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(Path, "write_text", half)
    with pytest.raises(RunFolderError, match=r"page.html: No space left on device: the page cannot be written"):
        write_text(tmp_path / "page.html", "new", "the page")
    monkeypatch.undo()
    assert (tmp_path / "page.html").read_text() == "old"
    assert os.listdir(tmp_path) == ["page.html"]


def test_a_link_stays_one(tmp_path: Path) -> None:
    (tmp_path / "link.html").symlink_to(tmp_path / "page.html")
    write_text(tmp_path / "link.html", "new", "the page")
    assert (tmp_path / "link.html").is_symlink()
    assert (tmp_path / "page.html").read_text() == "new"


def test_a_pipe_is_written_and_not_replaced(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    pipe = os.open(tmp_path / "pipe", os.O_RDWR | os.O_NONBLOCK)
    try:
        write_text(tmp_path / "pipe", "new", "the page")
        assert os.read(pipe, 10) == b"new"
        assert (tmp_path / "pipe").is_fifo()
    finally:
        os.close(pipe)
