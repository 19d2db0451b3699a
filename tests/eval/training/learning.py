"""Fits the network to a stream of labelled text with Adam, for a given time."""

import time
from typing import Any

import jax  # type: ignore[import-not-found]
import jax.numpy as jnp  # type: ignore[import-not-found]
import numpy as np

from gateway.redaction.tagger import Ids, pair_slots
from tests.eval.training.features import Stream
from tests.eval.training.network import Weights, initial, loss

_LENGTH = 128
_ROWS = 48
_RATE = 2e-3
_LEAST_RATE = 2e-5
_WARM_UP = 100
_FIRST, _SECOND = 0.9, 0.98  # how long Adam remembers


def learn(text: Stream, known: str, *, minutes: float, seed: int) -> Weights:
    """Weights after `minutes`; `known` is the vocabulary, its first character has number 2."""
    ids, before, after = _numbers(text.text, known)
    step = jax.jit(_step)
    rng = np.random.default_rng(seed)
    weights = jax.tree.map(jnp.asarray, initial(seed))
    first = jax.tree.map(jnp.zeros_like, weights)
    second = jax.tree.map(jnp.zeros_like, weights)
    key = jax.random.key(seed)
    count, started = 0, time.monotonic()
    while True:
        offset = int(rng.integers(0, _LENGTH))
        order = rng.permutation(len(text.text) // _LENGTH - 1)
        for start in range(0, len(order) - _ROWS, _ROWS):
            spent = (time.monotonic() - started) / (minutes * 60)
            if spent >= 1:
                return {name: np.asarray(value) for name, value in weights.items()}
            rows = (order[start : start + _ROWS] * _LENGTH + offset)[:, None] + np.arange(_LENGTH)
            batch = (
                ids[rows],
                before[rows],
                after[rows],
                text.targets[rows].astype(np.float32),
            )
            count += 1
            rate = _RATE * min(1.0, count / _WARM_UP) * (1 - spent) + _LEAST_RATE
            key, drop = jax.random.split(key)
            weights, first, second = step(weights, first, second, float(count), rate, batch, drop)


def _numbers(text: str, known: str) -> tuple[Ids, Ids, Ids]:
    codes = np.frombuffer(text.encode("utf-32-le"), np.uint32)
    table = np.ones(0x110000, np.int32)
    for number, character in enumerate(known, 2):
        table[ord(character)] = number
    before = pair_slots(codes)
    after = np.append(before[1:], np.int32(0))
    return table[codes], before, after


def _step(
    weights: Any, first: Any, second: Any, count: Any, rate: Any, batch: Any, drop: Any
) -> Any:
    slope = jax.grad(loss)(weights, batch, drop)
    first = jax.tree.map(lambda old, new: _FIRST * old + (1 - _FIRST) * new, first, slope)
    second = jax.tree.map(lambda old, new: _SECOND * old + (1 - _SECOND) * new**2, second, slope)
    fair, fair_square = 1 - _FIRST**count, 1 - _SECOND**count
    weights = jax.tree.map(
        lambda weight, one, two: (
            weight - rate * (one / fair) / (jnp.sqrt(two / fair_square) + 1e-8)
        ),
        weights,
        first,
        second,
    )
    return weights, first, second
