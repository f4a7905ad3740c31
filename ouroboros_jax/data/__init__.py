"""Real data as values: laws that can be drawn from, bundled tables, and files of the user's own.

Every factory returns a `base.RealData`. Names map to factories in `ouroboros_jax.registry`, so that
nothing here is imported before it is needed.
"""
