"""The workflow that a team copies: its shell, with a program in place of ``imbench compare`` that answers as it is told."""

from __future__ import annotations

import os
import subprocess
import textwrap
from pathlib import Path

import pytest

WORKFLOW = Path(__file__).resolve().parents[2] / "docs" / "ci" / "workflow.yml"
PROGRAM = """#!/bin/sh
echo "$2 $3" >> said
echo "**INCONCLUSIVE**: p99" > compare.md
status=$(head -n 1 statuses); sed -i 1d statuses
exit "$status"
"""


def script() -> str:
    """What the step that compares runs."""
    _, _, rest = WORKFLOW.read_text().partition("- name: Compare\n        run: |\n")
    lines = []
    for line in rest.splitlines():
        if line.strip() and not line.startswith(" " * 10):
            break
        lines.append(line)
    return textwrap.dedent("\n".join(lines))


def gitlab_script() -> str:
    """The same of GitLab's job."""
    _, _, rest = (WORKFLOW.parent / "gitlab.yml").read_text().partition("  script:\n    - |\n")
    return textwrap.dedent(rest.partition("  artifacts:")[0])


@pytest.mark.parametrize("shell", ["bash", "sh"])
@pytest.mark.parametrize(
    ("statuses", "code", "said"),
    [
        ([0], 0, ["fork cand"]),
        ([4], 4, ["fork cand"]),
        ([5], 5, ["fork cand"]),
        ([3, 0], 0, ["fork cand"] * 2),
        ([66, 5, 4], 4, ["fork cand", "fork fork", "fork cand"]),
    ],
)
def test_on_gitlab_a_comparison_ends_the_job_with_its_own_code(
    statuses: list[int], code: int, said: list[str], shell: str, tmp_path: Path
) -> None:
    program = tmp_path / ".venv" / "bin" / "imbench"
    program.parent.mkdir(parents=True)
    program.write_text(PROGRAM)
    program.chmod(0o755)
    (tmp_path / "statuses").write_text("".join(f"{status}\n" for status in statuses))
    given = {"PATH": os.environ["PATH"], "CI_MERGE_REQUEST_DIFF_BASE_SHA": "fork", "CI_COMMIT_SHA": "cand"}
    done = subprocess.run([shell, "-e", "-c", gitlab_script()], cwd=tmp_path, env=given, capture_output=True, text=True)
    assert (done.returncode, (tmp_path / "said").read_text().splitlines()) == (code, said)


@pytest.mark.parametrize(
    ("statuses", "code", "said"),
    [
        ([0], 0, ["fork cand"]),
        ([4], 4, ["fork cand"]),
        ([5], 0, ["fork cand"]),
        ([69], 69, ["fork cand"]),
        ([3, 0], 0, ["fork cand"] * 2),
        ([3, 3], 3, ["fork cand"] * 2),
        ([66, 5, 4], 4, ["fork cand", "fork fork", "fork cand"]),
        (
            [66, 4, 0],
            0,
            ["fork cand", "fork fork", "fork cand"],
        ),  # a false alarm of a build against itself is no failure of the change
        ([66, 3, 66], 66, ["fork cand", "fork fork", "fork cand"]),
    ],
)
def test_each_answer_of_a_comparison_ends_the_job_as_the_page_says(
    statuses: list[int], code: int, said: list[str], tmp_path: Path
) -> None:
    for place, text in ((".venv/bin/imbench", PROGRAM), ("bin/git", "#!/bin/sh\necho fork\n")):
        (tmp_path / place).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / place).write_text(text)
        (tmp_path / place).chmod(0o755)
    (tmp_path / "statuses").write_text("".join(f"{status}\n" for status in statuses))
    given = {"PATH": f"{tmp_path / 'bin'}:{os.environ['PATH']}", "BASE": "base", "CANDIDATE": "cand"}
    done = subprocess.run(["bash", "-e", "-c", script()], cwd=tmp_path, env=given, capture_output=True, text=True)
    assert (done.returncode, (tmp_path / "said").read_text().splitlines()) == (code, said)
    assert ("::warning::inconclusive: **INCONCLUSIVE**: p99" in done.stdout) == (statuses == [5])
