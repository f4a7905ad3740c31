"""A toy of models that train on each other's output: variance within classes that draws may miss.

Each generation draws N points over classes and fits a normal law to those of each class, by maximum
likelihood; a class without points keeps its law. Rare classes lose their variance first, as rare
texts lose the variety of their images.

References:
  Gao and Li, 2025 (arXiv 2503.08117): text and image models that collapse together. The factor is
    derived here: the paper describes the effect, without a rate.
"""

import numpy as np
from scipy.special import gammaln, xlog1py, xlogy


def class_variance_factor(num_samples, share) -> float:
    """E[variance of a class after a generation] over that before.

    1 - E[1/J; J > 0] with J ~ Binomial(num_samples, share) points in the class: a sample of J keeps
    1 - 1/J of the variance; without points, all of it stays.

    Args:
      num_samples: N, points of all classes, 1 or more.
      share: probability of the class, in [0, 1].
    """
    if num_samples < 1 or not 0 <= share <= 1:
        raise ValueError(f"expected N >= 1 and a share in [0, 1], got {num_samples} and {share}")
    j = np.arange(1, num_samples + 1)
    ways = gammaln(num_samples + 1) - gammaln(j + 1) - gammaln(num_samples - j + 1)
    log_probability = ways + xlogy(j, share) + xlog1py(num_samples - j, -share)
    return float(1 - (np.exp(log_probability) / j).sum())
