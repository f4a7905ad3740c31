"""A run's summary in a few sentences, printed when it ends."""

from collections.abc import Mapping
from typing import Any

from ouroboros_jax.disk.dataset import STATUSES

FIRST = (
    *("variance", "excess_error", "test_log_loss", "test_mse", "test_perplexity"),
    "mean_squared_error",
)
SECOND = (
    *("l2_squared", "log_det_covariance", "mean_squared_error", "distinct_2", "surviving_share"),
    "test_log_likelihood",
)


def headline(summary: Mapping[str, Any]) -> list[str]:
    """The two or three sentences that matter."""
    troubles = _troubles(summary["points"])
    points = [point for point in summary["points"] if point["metrics"]]
    if not points:
        return troubles
    known = points[0]["metrics"]
    main = next((name for name in FIRST if name in known), next(iter(known)))
    if len(points) == 1 and not summary.get("points_left_out"):
        lines = _one_point(points[0], main, summary.get("collapse_of"))
    else:
        lines = _many_points(points, main, summary["num_points"])
    return lines + troubles


def _one_point(point, main: str, watched: str | None) -> list[str]:
    metrics = point["metrics"]
    lines = [_sentence(main, metrics[main], point["generation"])]
    others = [name for name in SECOND if name in metrics and name != main]
    others.sort(key=lambda name: not metrics[name].get("law", {}).get("valid"))
    lines += [_sentence(name, metrics[name], point["generation"]) for name in others[:1]]
    for threshold, entry in list(point.get("time_to_collapse", {}).items())[:1]:
        if entry["collapsed"] is not None:
            when = entry["median"]
            half = f", the median chain at generation {when:g}" if when is not None else ""
            share = f"{100 * entry['collapsed']:.3g}% of chains"
            lines.append(f"{watched} was ever below {threshold} of generation 0's in {share}{half}")
    return lines


def _sentence(name: str, entry, generation: int) -> str:
    text = f"{name} {_text(entry['mean'])}"
    if entry["low"] is not None:
        text += f" [{_text(entry['low'])}, {_text(entry['high'])}]"
    text += f" at generation {generation}"
    if name == "variance" and (share := _share(entry)) is not None:
        text += f", {share:.3g} of generation 0's"
    if law := entry.get("law"):
        text += f"; law {law['label']}: {_text(law['predicted'])}"
        if law["z"] is not None and law["valid"]:
            text += f", z = {law['z']:.1f}"
        else:
            text += " (no z: too few chains, or too skewed)"
    return text


def _many_points(points, main: str, total: int) -> list[str]:
    is_share = main == "variance"
    values = [
        (_share(p["metrics"][main]) if is_share else p["metrics"][main]["mean"], p)
        for p in points
        if main in p["metrics"]
    ]
    values = sorted([v for v in values if v[0] is not None], key=lambda v: v[0])
    many = f"{total:,} points"
    if len(points) < total:
        many = f"the first {len(points):,} of {many}"
    lines = []
    if values:
        ends = [f"{_text(v)} ({_assigned(p)})" for v, p in (values[0], values[-1])]
        what = f"{main} relative to generation 0" if is_share else main
        generation = max(p["generation"] for p in points)
        lines.append(f"{what} at generation {generation}, {many}: {ends[0]} to {ends[1]}")
    scores = [
        (abs(entry["law"]["z"]), name, p)
        for p in points
        for name, entry in p["metrics"].items()
        if entry.get("law", {}).get("valid")
    ]
    if scores:
        z, name, point = max(scores, key=lambda score: score[0])
        one = len(scores) == 1
        means, laws = ("1 mean", "its law") if one else (f"{len(scores):,} means", "their laws")
        lines.append(
            f"{means} compared with {laws}: largest |z| = {z:.1f}, of {name} ({_assigned(point)})"
        )
    return lines


def _troubles(points) -> list[str]:
    counts = {name: sum(p.get("status", {}).get(name, 0) for p in points) for name in STATUSES}
    total = sum(counts.values())
    bad = [f"{n:,} {name}" for name, n in counts.items() if n and name != STATUSES[0]]
    return [f"{' and '.join(bad)} of {total:,} chains at the end"] if bad else []


def _share(entry) -> float | None:
    if entry["mean"] is None or not entry["original"] or entry["original"] < 0:
        return None
    return entry["mean"] / entry["original"]


def _assigned(point) -> str:
    return ", ".join(f"{path}={value}" for path, value in point["settings"].items())


def _text(value: float | None) -> str:
    return "not finite" if value is None else f"{value:.3g}"
