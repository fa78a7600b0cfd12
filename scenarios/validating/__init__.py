"""``imbench validate``: what a calibrated simulation says of loads it has not seen, held against live runs of them.

``promises`` says beforehand how wrong a prediction may be, ``holdout`` what is predicted, ``predict`` predicts it (and has a textbook line
predict it too), ``measures`` reads the same numbers from a run of either world, ``validate`` does it all in order. docs/calibration.md.
"""
