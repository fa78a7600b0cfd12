"""Is the candidate slower than its base? Pairs of live runs, one after the other, and what they prove.

``sides`` says what is compared, ``builds`` builds a revision, ``playing`` plays a run of a side, ``measures`` takes its figures, ``noise``
keeps how far apart runs of one build are on this machine, ``pairs`` plays them interleaved and decides, ``command`` is ``imbench compare``.
The statistics are in :mod:`model.analysis.paired` and :mod:`model.analysis.regressions`.
"""
