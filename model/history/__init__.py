"""What was observed: the contract between the worlds that run and the judges that decide.

A history is a header (:class:`model.history.schema.Header`: who ran what, under which contract and policies) and rows, one for
each operation and observation, documented for other systems in ``docs/history.md``. Rows are recorded fixed-width
(:mod:`model.history.recorder`), rest as Parquet in a run folder (:mod:`model.history.run_folder`), and are judged as columns
(:mod:`model.history.columns`). This package knows nothing of the rules: ``model.observe`` translates.
"""
