"""The small tagger in JAX: tables of characters and pairs, dilated convolutions."""

from typing import Any

import jax  # type: ignore[import-not-found]
import jax.numpy as jnp  # type: ignore[import-not-found]
import numpy as np

from tests.eval.training.features import LABELS, VOCABULARY, Floats

PAIRS = 1 << 15
"""Slots of the hashed table of character pairs; the tagger at run time has the same figure."""

CHARACTER_WIDTH = 64
PAIR_WIDTH = 24
WIDTH = 96
DILATIONS = (1, 2, 4, 1)
_INPUT = CHARACTER_WIDTH + 2 * PAIR_WIDTH

Weights = dict[str, Any]


def initial(seed: int) -> Weights:
    """Weights before training."""
    rng = np.random.default_rng(seed)

    def normal(*shape: int, scale: float) -> Floats:
        return rng.normal(0, scale, shape).astype(np.float32)

    weights: Weights = {
        "characters": normal(VOCABULARY, CHARACTER_WIDTH, scale=0.1),
        "pairs": normal(PAIRS, PAIR_WIDTH, scale=0.1),
        "in_w": normal(_INPUT, WIDTH, scale=_INPUT**-0.5),
        "in_b": np.zeros(WIDTH, np.float32),
        "out_w": normal(WIDTH, len(LABELS), scale=0.05),
        "out_b": np.zeros(len(LABELS), np.float32),
    }
    for layer in range(len(DILATIONS)):
        weights[f"conv{layer}_w"] = normal(3 * WIDTH, WIDTH, scale=(3 * WIDTH) ** -0.5)
        weights[f"conv{layer}_b"] = np.zeros(WIDTH, np.float32)
    return weights


def logits(weights: Weights, ids: Any, before: Any, after: Any, drop: Any = None) -> Any:
    """Scores of shape (rows, length, labels); `drop` is a random key while training."""
    parts = [weights["characters"][ids], weights["pairs"][before], weights["pairs"][after]]
    hidden = jnp.concatenate(parts, axis=-1)
    if drop is not None:
        keep = jax.random.bernoulli(drop, 0.85, hidden.shape)
        hidden = jnp.where(keep, hidden / 0.85, 0.0)
    hidden = jax.nn.relu(hidden @ weights["in_w"] + weights["in_b"])
    for layer, step in enumerate(DILATIONS):
        padded = jnp.pad(hidden, ((0, 0), (step, step), (0, 0)))
        length = hidden.shape[1]
        window = jnp.concatenate(
            [padded[:, :length], hidden, padded[:, 2 * step : 2 * step + length]], axis=-1
        )
        hidden = hidden + jax.nn.relu(
            window @ weights[f"conv{layer}_w"] + weights[f"conv{layer}_b"]
        )
    return hidden @ weights["out_w"] + weights["out_b"]


def loss(weights: Weights, batch: Any, drop: Any) -> Any:
    """Mean cross entropy against the targets."""
    ids, before, after, targets = batch
    scores = logits(weights, ids, before, after, drop)
    return -(targets * jax.nn.log_softmax(scores)).sum(-1).mean()
