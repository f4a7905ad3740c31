"""The settings that all data has."""

from ouroboros_jax.settings.setting import COUNT, Setting

NUM_TEST = Setting(1000, "real points held out for test_log_likelihood", low=0)


def data_settings(**settings: Setting) -> dict[str, Setting]:
    """`settings` and those that all data has."""
    return settings | {
        "num_samples": Setting(
            None,
            "points of the real data set; None: as many as num_samples at generation 0",
            traced=True,
            low=2,
            high=COUNT,
            optional=True,
            kinds=(int,),
            scheduled=False,
        ),
        "num_test": settings.get("num_test", NUM_TEST),
        "dir": Setting(None, "where data files are looked for", optional=True, kinds=(str,)),
    }
