"""What can be compared, and how a revision is built, in a small repository of its own."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from scenarios.comparing import builds, sides
from scenarios.comparing.sides import side
from scenarios.running.exits import MISSING, UNAVAILABLE, USAGE, CannotRun
from scenarios.running.progress import Silent
from tests.comparing.conftest import Repository


class TestSides:
    def test_a_revision_is_told_by_its_commit_and_subject(self, repository: Repository) -> None:
        found = side("trunk")
        assert (found.kind, found.commit) == ("revision", repository.git("rev-parse", "HEAD"))
        assert found.title == f"{found.commit[: len(found.title) - len(' first')]} first"

    def test_a_path_that_is_there_comes_before_a_revision(self, repository: Repository, tmp_path: Path) -> None:
        assert side(str(tmp_path)).kind == "folders"

    @pytest.mark.parametrize("given", ["127.0.0.1:4000", "im.example:443", "[::1]:4000", "a:1,b:2"])
    def test_hosts_with_ports_are_addresses(self, repository: Repository, given: str) -> None:
        assert side(given).kind == "address"

    @pytest.mark.parametrize("given", ["nowhere", "trunk~7", "", "-x", "trunk:imbench.py"])
    def test_what_is_none_of_them_is_refused(self, repository: Repository, given: str) -> None:
        with pytest.raises(CannotRun, match="no run folder, no HOST:PORT and no revision") as refused:
            side(given)
        assert refused.value.status == MISSING

    def test_changes_beside_what_is_checked_out_are_refused_and_others_do_not_matter(self, repository: Repository) -> None:
        first = repository.git("rev-parse", "HEAD")
        repository.commit("second", {"imbench.py": "print('second')\n"})
        (repository.folder / "imbench.py").write_text("print('not committed')\n")
        with pytest.raises(CannotRun, match="changes that no commit has") as refused:
            side("HEAD")
        assert refused.value.status == USAGE
        assert side(first).commit == first

    def test_without_a_checkout_run_folders_are_asked_for(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(sides, "ROOT", tmp_path)
        monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path.parent))
        with pytest.raises(CannotRun, match="not started from a git checkout; give run folders"):
            side("main")


class TestBuilds:
    def test_a_build_has_the_files_of_its_commit_and_is_kept(self, repository: Repository, tmp_path: Path) -> None:
        repository.commit("second", {"imbench.py": "print('second')\n"})
        (repository.folder / "imbench.py").write_text("print('not committed')\n")
        build = builds.built(side("trunk~1"), tmp_path / "builds", Silent())
        said = subprocess.run(build.command(), env=build.environment(), capture_output=True, text=True, check=True).stdout
        assert said == "imbench of the first\n"
        assert build.python == sys.executable  # it asks for the same packages
        (build.folder / "kept").touch()
        assert (builds.built(side("trunk~1"), tmp_path / "builds", Silent()).folder / "kept").exists()

    def test_files_that_git_did_not_give_to_the_end_are_no_build(
        self, repository: Repository, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        found = side("trunk")
        git = shutil.which("git")
        broken = tmp_path / "bin" / "git"
        broken.parent.mkdir()
        broken.write_text(f'#!/bin/sh\n{git} "$@" imbench.py\nexit 128\n')  # half of the files, as a whole archive
        broken.chmod(0o755)
        monkeypatch.setenv("PATH", f"{broken.parent}:{os.environ['PATH']}")
        with pytest.raises(CannotRun, match=r"cannot be written there .*git archive ended with 128"):
            builds.built(found, tmp_path / "builds", Silent())
        assert not any((tmp_path / "builds").iterdir())

    def test_one_that_does_not_work_is_refused_with_its_last_words(self, repository: Repository, tmp_path: Path) -> None:
        repository.commit("a typing error", {"imbench.py": "import nothing_of_that_name\n"})
        with pytest.raises(CannotRun, match=r"a typing error.*cannot be built: imbench list: .*nothing_of_that_name") as refused:
            builds.built(side("trunk"), tmp_path / "builds", Silent())
        assert refused.value.status == UNAVAILABLE

    def test_one_with_other_packages_is_set_up_as_it_says(self, repository: Repository, tmp_path: Path) -> None:
        repository.commit(
            "other packages",
            {"pyproject.toml": "[project]\nname='x'\n", "Makefile": "setup:\n\techo no such package >&2; false\n"},
        )
        older = side("trunk")
        repository.commit("and again others", {"pyproject.toml": "[project]\nname='y'\n"})
        with pytest.raises(CannotRun, match=r"cannot be built: make setup: no such package$"):
            builds.built(older, tmp_path / "builds", Silent())
