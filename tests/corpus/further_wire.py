"""Further histories: copies on the wire, cycles, causes. Found by trying the judges with histories made from the definitions alone."""

from __future__ import annotations

from tests.corpus.entries import Corpus

PLANTED: Corpus = {}
NEAR_MISSES: Corpus = {}
