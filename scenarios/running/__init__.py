"""Running scenarios: find one, change its settings, play it in a world, judge it, and leave a run folder.

``command`` parses what ``imbench run`` and scenario scripts are given; ``run`` is one run from its folder to its verdict; ``sim`` and
``live`` are the two worlds; ``sweep`` is many runs over a grid, each a ``replicate``; ``demo`` and ``verify`` are many runs with a table.
"""
