"""Pools: what a generation is fitted to. A regime's table is realised in one of three ways.

given        what points come from: keys, settings, sizes; earlier models
realisation  what the three have in common: points drawn, and pooled
realise      which of the three ways a learner and a regime take
rows         compact rows, for any learner
statistics   statistics of each source, exact in law
recipes      models in place of their points
memory       what a chain keeps of earlier data sets
"""
