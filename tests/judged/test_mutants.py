"""Every mutant of the judges is noticed, by the corpus, a random history, or a test of the judges."""

from __future__ import annotations

import pytest

from tests.judged import score
from tests.judged.mutants import MUTANTS, Mutant


@pytest.mark.slow
@pytest.mark.parametrize("mutant", MUTANTS, ids=[mutant.name.replace(" ", "_") for mutant in MUTANTS])
def test_is_killed(mutant: Mutant) -> None:
    assert score.killer(mutant)
