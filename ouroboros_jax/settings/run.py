"""The settings that every config has, whatever its learner, regime and data."""

from ouroboros_jax.settings.setting import COUNT, Setting

RUN = {
    "seed": Setting(0, "seed of the first chain's keys", low=0, high=2**32 - 1),
    "chains": Setting(
        1, "independent replicates of every point of the sweep", low=1, high=COUNT, swept=False
    ),
    "generations": Setting(
        10, "number of generations after the fit to real data", low=0, high=COUNT, swept=False
    ),
    "num_samples": Setting(
        1000,
        "points a generation trains on (fixed_real: the synthetic ones, accumulate: the new ones)",
        traced=True,
        low=2,
        high=COUNT,
    ),
    "chain_block": Setting(
        "auto",
        "chains in one vectorised block; affects the last bits of results",
        low=1,
        choices=("auto",),
        kinds=(int, str),
        swept=False,
    ),
    "compile": Setting(
        "thorough",
        "quick: halves the time to compile on a CPU but slows the run, for sweeps of many shapes; "
        "affects the last bits of results",
        choices=("thorough", "quick"),
        swept=False,
    ),
    "x64": Setting(False, "compute in 64 bits", swept=False),
    "metrics": Setting((), "names of the metrics to record; () for all", item=str, swept=False),
    "collapse.metric": Setting(
        "variance",
        "the metric that time_to_collapse watches, relative to generation 0, if it is recorded",
        choices=("variance", "test_log_likelihood", "log_det_covariance", "separation"),
        swept=False,
    ),
    "collapse.thresholds": Setting(
        (0.5, 0.1, 0.01),
        "a chain has collapsed once it falls below this share of generation 0's value, even if it "
        "recovers",
        low=0.0,
        open_low=True,
        swept=False,
    ),
    "store.every": Setting(
        1, "n: keep the parameters of every n-th generation, and the last", low=1, swept=False
    ),
    "store.metrics_every": Setting(
        1,
        "n: record the metrics of every n-th generation, and of the last; the NaN between take no "
        "disk space",
        low=1,
        swept=False,
    ),
    "store.segment": Setting(
        "auto",
        "most generations in a device call; several calls may be stored at a time",
        low=1,
        choices=("auto",),
        kinds=(int, str),
        swept=False,
    ),
    "figures.pdf": Setting(False, "write PDF beside PNG", swept=False),
    "figures.generations": Setting(
        (),
        "generations shown in the evolution panels; () for an automatic choice",
        low=0,
        item=int,
        swept=False,
    ),
    "figures.images": Setting(
        64, "images in a grid of samples and in a frame of the animation", low=1, swept=False
    ),
    "figures.frame_ms": Setting(
        500, "milliseconds that each frame of the animation is shown", low=20, swept=False
    ),
    "figures.loop": Setting(
        0, "times that the animation is shown; 0: without end", low=0, swept=False
    ),
    "figures.colormap": Setting("gray", "colours of one-channel images", swept=False),
    "figures.curves": Setting(8, "most lines in a figure of training curves", low=1, swept=False),
    "sweep": Setting(
        {},
        "a dict from settings to lists of values; an integer under 'seed': that many seeds",
        swept=False,
    ),
    "sweep_mode": Setting(
        "product",
        "product: every combination; zip: first values together, second values together, ...",
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
