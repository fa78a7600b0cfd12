"""Storage, embedded: one SQLite database per business node, written by one thread with group commit.

:mod:`.database` is the database as seen by one thread; :mod:`.writer` is the thread, and the only way in for a running node.
"""
