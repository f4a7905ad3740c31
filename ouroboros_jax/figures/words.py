"""Settings and metrics in words, as shown in figures."""

from typing import Any

from ouroboros_jax.metrics.names import name_of
from ouroboros_jax.registry import off_default
from ouroboros_jax.schedule import Schedule, canonical

WORDS = {"num_samples": "n", "num_features": "features", "name": ""}
CALLED = {"kde": "kernel density", "symmetric_gmm": "symmetric mixture"}


def word(path: str) -> str:
    """A setting's name in a figure: `regime.real_fraction` is "real fraction"."""
    section, _, key = path.rpartition(".")
    if path == "data.num_samples":
        return "real points"
    return WORDS.get(key, key.replace("_", " ")) or section.replace("_", " ")


def text(value: Any) -> str:
    """A setting's value in a figure."""
    if isinstance(value, Schedule):
        value = canonical(value)
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int):
        return f"{value:,}"
    if isinstance(value, float):
        return f"{value:,.6g}"
    if isinstance(value, list | tuple):
        shown = ", ".join(text(v) for v in value[:4])
        return f"{shown}, ..." if len(value) > 4 else shown
    return str(value).replace("_", " ").rpartition("/")[2]


def assign(path: str, label: str) -> str:
    """`n = 100`; for names, the name alone."""
    if path.endswith(".name") or path in ("component", "feature") or " = " in label:
        return label
    return f"{word(path)} = {label}"


def describe_learner(point: dict[str, Any], swept: set[str] = frozenset()) -> str:
    """The learner in a few words."""
    name = point["learner.name"]
    if "learner.name" in swept:
        return ""
    if name == "gaussian":
        features = point.get("data.num_features")
        is_told = "data.num_features" not in swept and features not in (None, 1)
        where = f"{features}-D " if is_told else ""
        estimator = point["learner.estimator"]
        words = {"mle": "maximum likelihood", "unbiased": "unbiased variance"}
        how = "" if "learner.estimator" in swept else f", {words[estimator]}"
        return f"{where}Gaussian{how}"
    if name == "gmm":
        count = point["learner.components"]
        how = "diagonal " if point["learner.covariance"] == "diag" else ""
        if "learner.components" in swept:
            return f"mixture of {how}Gaussians"
        return f"mixture of {count} {how}Gaussian{'s' if count != 1 else ''}"
    return CALLED.get(name) or text(name.rpartition(":")[2])


def describe_regime(point: dict[str, Any], swept: set[str] = frozenset()) -> str:
    """The regime in a few words."""
    name = point["regime.name"]
    words = text(name.rpartition(":")[2])
    share = point["regime.real_fraction"]
    share = f"{share:.3g}" if isinstance(share, float) else text(share)
    if name == "window" and "regime.window" not in swept:
        words += f" of {text(point['regime.window'])}"
        words += ", kept data" if point["regime.kept"] else ""
    if name in ("fresh", "weighted") and "regime.real_fraction" not in swept:
        words += f", real fraction {share}"
    return words


def describe_drawing(point: dict[str, Any], swept: set[str] = frozenset()) -> str:
    """How points are drawn and selected, where it is not the plain way: `temperature = 0.8`."""
    changed = off_default(point, "sampler", "selector")
    return ", ".join(
        text(value) if path == "selector.name" else assign(path, text(value))
        for path, value in changed.items()
        if path not in swept
    )


def describe(metric: str) -> str:
    """The metric's long name as a heading."""
    name = name_of(metric).long_name.partition(",")[0].partition(":")[0].partition(";")[0]
    return name[:1].upper() + name[1:]
