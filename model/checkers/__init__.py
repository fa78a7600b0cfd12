"""The judges: what users lost, saw twice, saw out of order, and how late; from a history alone.

``judge(history)`` gives a :class:`Judgement`. Nothing here knows the rules of the system (import contracts keep it so): a bug in a rule
cannot hide in its own judge. The measures are those of ``docs/judges.md``; one module per family of kinds, over the shared facts of a
:class:`model.checkers.case.Case`, all of them on whole columns.
"""

from model.checkers.findings import Anomaly, Witness
from model.checkers.kinds import KINDS
from model.checkers.verdict import Judgement, judge

__all__ = ["KINDS", "Anomaly", "Judgement", "Witness", "judge"]
