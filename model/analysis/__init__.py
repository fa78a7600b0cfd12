"""What numbers say: closed forms to hold the simulated world against, and what repeated runs prove.

``queues`` has the classical waiting lines, ``clients`` what polling and reconnects come to, ``radio`` what heartbeats cost
a battery, ``estimates`` intervals from replications. Every formula names its source. Nothing here imports anything else of
the project."""
