"""Analysing a run's metrics.

cells     which chains share every setting but the seed, and their settings
coords    which settings were swept, how far each chain has got
collapse  when a metric first falls below a share of generation 0's
summary   summary.json: each point of a sweep beside its laws
headline  the two or three sentences of it that matter
compare   paired differences between settings, with bootstrap intervals
paired    the same between two runs
across    metrics that need all generations of a chain at once
"""
