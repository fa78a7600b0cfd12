"""Questions: one file a scenario, each with a value ``SCENARIO``; :mod:`scenarios.running` runs them in either world.

A question that needs several runs has a :class:`model.scenario.sweep.Sweep` beside it, ``SWEEP``, and maybe a function ``replication``
that measures one run and a function ``conclusion`` that says what the table of all of them comes to.

Scenarios start servers and load as processes and hand them files; nothing here imports them.
"""
