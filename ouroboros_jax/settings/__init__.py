"""Every setting of a config: its default, range and help. No jax.

setting   a setting, and the entry of a name
learners, regimes, data
          the names to choose from, each with its settings and the factory behind it
run       the settings that every config has
selectors the interventions to choose from
verify    the sizes of `verify`
names     a name looked up in such a table, or as `module:function` of a user's own
counts    how many points a run asks for
values    checking a value against its setting
"""
