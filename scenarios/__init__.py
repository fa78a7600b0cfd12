"""Questions: one file a scenario, each with a value ``SCENARIO``; :mod:`scenarios.running` runs them in either world.

Scenarios start servers and load as processes and hand them files; nothing here imports them.
"""
