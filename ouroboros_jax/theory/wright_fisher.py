"""The exact Markov chain of one symbol's count: neutral drift, as in population genetics.

Under `replace` a symbol of count x among n points is drawn Binomial(n, x/n) times in the next
generation: resampling is reproduction, symbols are alleles, and a lost one never returns. Expected
values of any function of a count are powers of one matrix, without Monte Carlo error.

References:
  Ewens, Mathematical Population Genetics, 2004, chapters 1 and 3: the chain, its diffusion, and
  mean times to fixation.
  Suresh, Thangaraj and Khandavally, 2024 (arXiv 2412.17646): survival of symbols under retraining.
The truncation for large n, and points of the truth in every generation, are derived here.
"""

from functools import lru_cache

import numpy as np
from scipy import signal, stats
from scipy.special import entr

from ouroboros_jax.theory.clock import as_generations

LARGEST = 2500  # states of a chain: 50 MB of transitions
CERTAIN = 40.0  # a count that dies out with probability at most exp(-40) is taken to survive


def transitions(num_from: int, num_to: int, rows: int | None = None, columns: int | None = None):
    """Pr(count j of `num_to` points | count i of `num_from`), `[num_from + 1, num_to + 1]`.

    `rows` and `columns` truncate it to counts below them; rows then sum to less than 1.
    """
    rows = num_from + 1 if rows is None else min(rows, num_from + 1)
    columns = num_to + 1 if columns is None else min(columns, num_to + 1)
    share = np.arange(rows)[:, None] / num_from
    return stats.binom.pmf(np.arange(columns)[None], num_to, share)


@lru_cache(maxsize=4)
def _square(num_samples: int, states: int | None = None) -> np.ndarray:
    return transitions(num_samples, num_samples, states, states)


def _start(num_real: int, probabilities, states: int) -> np.ndarray:
    p = np.asarray(probabilities, np.float64).reshape(-1, 1)
    return stats.binom.pmf(np.arange(min(states, num_real + 1))[None], num_real, p)


def expected(generation, num_samples, probabilities, values, *, num_real=None) -> np.ndarray:
    """E[f(fitted frequency)] of each symbol under `replace`, exactly, `[G, V, ...]`.

    Args:
      generation: ints `[G]`, 0 being the fit to real data.
      num_samples: n, at most `LARGEST` - 1, the same in every generation.
      probabilities: of the truth, `[V]`.
      values: f of the frequencies [S], itself [S] or several functions [S, F].
      num_real: points of generation 0; None: n.
    """
    generation = as_generations(generation).reshape(-1)
    n = int(num_samples)
    first = n if num_real is None else int(num_real)
    if max(n, first) >= LARGEST:
        raise ValueError(f"num_samples must be below {LARGEST}, got {max(n, first)}")
    start = _start(first, probabilities, first + 1)
    inner = values(np.arange(n + 1) / n)
    later = transitions(first, n) if first != n else _square(n)
    found = {0: start @ values(np.arange(first + 1) / first)}
    for g in range(1, int(generation.max(initial=0)) + 1):
        if g in generation:
            found[g] = start @ (later @ inner)
        inner = _square(n) @ inner
    return np.stack([found[int(g)] for g in generation]) if generation.size else np.empty(0)


def uncertain_counts(generation: int, num_samples: int, num_real: int | None = None) -> int:
    """How many counts, from 0 up, have an uncertain survival up to `generation`.

    A count x dies out within k generations with probability exp(-x g_k) <= exp(-x / k), so counts
    of 40 (k + 1) and more are sure to survive, to 4e-18. A larger generation 0 scales this up.
    """
    first = num_samples if num_real is None else num_real
    scale = max(1.0, first / num_samples)
    return min(max(num_samples, first), int(CERTAIN * (generation + 2) * scale)) + 1


def survival(generation, num_samples, probabilities, *, num_real=None) -> np.ndarray:
    """Pr(symbol has probability above 0) under `replace`, exactly, `[G, V]`.

    Works for any n, as long as there are few enough generations to leave few counts uncertain.

    Raises:
      ValueError: if more than `LARGEST` counts are uncertain.
    """
    generation = as_generations(generation).reshape(-1)
    last, n = int(generation.max(initial=0)), int(num_samples)
    first = n if num_real is None else int(num_real)
    states = uncertain_counts(last, n, first)
    if states > LARGEST:
        raise ValueError(f"generation {last} of {n} points has {states} uncertain counts")
    start = _start(first, probabilities, states)
    later = _square(n, states) if first == n else transitions(first, n, states, states)
    extinct = np.eye(1, min(states, n + 1))[0]  # Pr(count is 0 after this many generations | count)
    found = {0: 1 - start[:, 0]}
    for g in range(1, last + 1):
        if g in generation:
            found[g] = 1 - start @ (later @ extinct)
        extinct = _square(n, states) @ extinct
    return np.stack([found[int(g)] for g in generation]) if generation.size else np.empty(0)


def survival_with_real(
    generation, num_samples, num_fresh, probabilities, *, num_real=None
) -> np.ndarray:
    """Pr(symbol has probability above 0) under `fresh`, exactly, `[G, V]`.

    A count is Binomial(n - r, its last share) plus Binomial(r, its true probability): migration.

    Args:
      generation: ints `[G]`, 0 being the fit to real data.
      num_samples: n, below `LARGEST`.
      num_fresh: r, the real points of each generation from 1 on.
      probabilities: of the truth, `[V]`.
      num_real: points of generation 0; None: n.
    """
    generation = as_generations(generation).reshape(-1)
    n, r = int(num_samples), int(num_fresh)
    first = n if num_real is None else int(num_real)
    if max(n, first) >= LARGEST:
        raise ValueError(f"num_samples must be below {LARGEST}, got {max(n, first)}")
    real = _start(r, probabilities, r + 1)
    law = _start(first, probabilities, first + 1)
    steps = (transitions(first, n - r), transitions(n, n - r))
    found = {0: 1 - law[:, 0]}
    for g in range(1, int(generation.max(initial=0)) + 1):
        drawn = law @ steps[min(g - 1, 1)]
        if g in generation:
            found[g] = 1 - drawn[:, 0] * real[:, 0]
        law = np.maximum(signal.fftconvolve(drawn, real, axes=1), 0)
    return np.stack([found[int(g)] for g in generation]) if generation.size else np.empty(0)


def absorption_times(num_samples: int) -> np.ndarray:
    """Mean number of fits until a symbol is lost or alone, from every count 0..n, `[n + 1]`.

    The solution of (1 - Q) t = 1 over the counts between.
    """
    inner = transitions(num_samples, num_samples)[1:-1, 1:-1]
    times = np.zeros(num_samples + 1)
    times[1:-1] = np.linalg.solve(np.eye(len(inner)) - inner, np.ones(len(inner)))
    return times


def fixation_probabilities(num_samples: int) -> np.ndarray:
    """Pr(a symbol is the last one left), from every count 0..n, `[n + 1]`: exactly its share."""
    matrix = transitions(num_samples, num_samples)
    inner = matrix[1:-1, 1:-1]
    found = np.zeros(num_samples + 1)
    found[-1] = 1.0
    found[1:-1] = np.linalg.solve(np.eye(len(inner)) - inner, matrix[1:-1, -1])
    return found


def diffusion_absorption_time(num_samples, probability) -> np.ndarray:
    """-2n (p ln p + (1 - p) ln(1 - p)), which `absorption_times` approaches for large n."""
    p = np.asarray(probability, np.float64)
    return 2 * num_samples * (entr(p) + entr(1 - p))
