"""The settings that every config has, whatever its learner, regime and data."""

from ouroboros_jax.settings.setting import COUNT, Setting

RUN = {
    "seed": Setting(0, "seed of the first chain's keys", low=0, high=2**32 - 1),
    "chains": Setting(
        1, "independent replicates of every point of the sweep", low=1, high=COUNT, swept=False
    ),
    "generations": Setting(
        10, "generations after the fit to real data", low=0, high=COUNT, swept=False
    ),
    "num_samples": Setting(
        1000,
        "points a generation trains on (fixed_real: the synthetic, accumulate: the new)",
        traced=True,
        low=2,
        high=COUNT,
    ),
    "chain_block": Setting(
        "auto",
        "chains in one vectorised block; decides bits",
        low=1,
        choices=("auto",),
        kinds=(int, str),
        swept=False,
    ),
    "compile": Setting(
        "thorough",
        "quick: on a CPU half the time to compile, for slower runs; for sweeps of many shapes; "
        "decides bits",
        choices=("thorough", "quick"),
        swept=False,
    ),
    "x64": Setting(False, "compute in 64 bit", swept=False),
    "metrics": Setting((), "names to record; () for all", item=str, swept=False),
    "collapse.metric": Setting(
        "variance",
        "what time_to_collapse watches, relative to generation 0, where it is recorded",
        choices=("variance", "test_log_likelihood", "log_det_covariance", "separation"),
        swept=False,
    ),
    "collapse.thresholds": Setting(
        (0.5, 0.1, 0.01),
        "collapsed is below such a share of generation 0's value, once or for good",
        low=0.0,
        open_low=True,
        swept=False,
    ),
    "store.every": Setting(
        1, "keep every so many generations' parameters, and the last", low=1, swept=False
    ),
    "store.metrics_every": Setting(
        1,
        "record metrics of every so many generations, and of the last; NaN between, which takes "
        "no disk",
        low=1,
        swept=False,
    ),
    "store.segment": Setting(
        "auto",
        "most generations of a device call; the disk may take those of several at a time",
        low=1,
        choices=("auto",),
        kinds=(int, str),
        swept=False,
    ),
    "figures.pdf": Setting(False, "draw PDF beside PNG", swept=False),
    "figures.generations": Setting(
        (), "generations of the evolution panels; () for a choice", low=0, item=int, swept=False
    ),
    "figures.images": Setting(
        64, "images in a grid of samples and in a frame of the animation", low=1, swept=False
    ),
    "figures.frame_ms": Setting(
        500, "milliseconds that a frame of the animation is shown", low=20, swept=False
    ),
    "figures.loop": Setting(
        0, "times that the animation is shown; 0: for ever", low=0, swept=False
    ),
    "figures.colormap": Setting("gray", "colours of images of one channel", swept=False),
    "figures.curves": Setting(8, "most lines of training curves", low=1, swept=False),
    "sweep": Setting(
        {}, "a dict from any setting to a list of values; an integer under 'seed'", swept=False
    ),
    "sweep_mode": Setting(
        "product",
        "product: every combination; zip: first with first, second with second",
        choices=("product", "zip"),
        swept=False,
    ),
    "sweep_limit": Setting(100_000, "most combinations a sweep may have", low=1, swept=False),
}
NO_BITS = (  # may differ between a run and its resumption
    "generations",
    "store.segment",
    "figures.pdf",
    "figures.generations",
    "figures.images",
    "figures.frame_ms",
    "figures.loop",
    "figures.colormap",
    "figures.curves",
    "sweep_limit",
)
