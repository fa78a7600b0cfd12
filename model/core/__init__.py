"""The rules of messaging, without I/O: what an IM client, gateway, business node and log decide.

The rules of this package:

- A machine is a plain slotted object. Its inputs are methods that take ``now`` (integer microseconds, the only clock) and a list
  ``out``; they return nothing and append *effects* (:mod:`model.core.effects`) to ``out``.
- Every machine has one ``deadline``. The driver promises a call of ``on_deadline`` at or after it; an early, late or repeated call
  is harmless.
- No I/O, no clock, no dice: randomness is :class:`model.core.draws.Draws`, passed in, keyed by (seed, machine, purpose, counter).
- Expected outcomes are frames with a code of :mod:`model.core.codes`; an exception is a bug.

It imports nothing of the project; ``model.sim``, ``reference_server`` and ``loadgen`` drive it.
"""
