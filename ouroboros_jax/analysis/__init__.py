"""Analysing a run's metrics.

cells     which chains share every setting but the seed, and their settings
coords    which settings were swept, how far each chain has got
summary   summary.json: each point of a sweep beside its laws
headline  the two or three sentences of it that matter
compare   paired differences between settings, with bootstrap intervals
paired    the same between two runs
across    metrics that need all generations of a chain at once
"""
