"""Correctness in volume: ``imbench soak``.

A soak plays *legs*, one after another, until it is told to stop: :mod:`.legs` says what a leg is and draws its kills and drains,
:mod:`.tally` judges one and counts, :mod:`.conduct` goes from leg to leg, :mod:`.told` tells the sum, and :mod:`.command` is the command.
"""
