# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""MiniLM from ONNX to sentence embeddings: the program behind scripts/demo.

Exit 1 when an answer differs from ONNX Runtime's, or when the related sentences are not the closest ones.
"""

import argparse
import pathlib
import sys
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT / "python"), str(ROOT / "test" / "models")]

# pylint: disable=wrong-import-position
import numpy as np  # noqa: E402
from tokenizers import Tokenizer  # noqa: E402

from make_minilm import model_directory  # noqa: E402
from model_zoo import make  # noqa: E402
from testing.engines import EngineError, bessemer_package, make_engine, worst_error  # noqa: E402
from testing.measure import Case, compare, fma_peak, print_rows  # noqa: E402

# Pairs that mean nearly the same stand together.
SENTENCES = [
    "A man is eating a piece of bread.",
    "Someone is having bread for lunch.",
    "Molten iron is turned into steel in a converter.",
    "The blast of air burns the carbon out of pig iron.",
    "The children are playing football in the park.",
    "Kids kick a ball around on the grass.",
]


def tokenize(sentences):
    tokenizer = Tokenizer.from_file(str(model_directory() / "tokenizer.json"))
    tokenizer.no_truncation()
    tokenizer.enable_padding()
    encoded = tokenizer.encode_batch(sentences)

    def field(name):
        return np.array([getattr(sentence, name) for sentence in encoded], np.int64)

    return {"input_ids": field("ids"), "attention_mask": field("attention_mask"), "token_type_ids": field("type_ids")}


def show_similarities(embeddings):
    """Prints the cosine of each pair; true when the closest sentence to each is its partner."""
    similarity = embeddings @ embeddings.T
    print("\nCosine similarity of the embeddings:")
    for index, sentence in enumerate(SENTENCES):
        print(f"  {index}  " + "  ".join(f"{value:5.2f}" for value in similarity[index]) + f"   {sentence}")
    np.fill_diagonal(similarity, -1)
    right = True
    for index, closest in enumerate(similarity.argmax(axis=1)):
        right &= closest == index ^ 1
        print(f"  closest to {index}: {closest}")
    return right


def timing_cases(path):
    generator = np.random.default_rng(0)
    for seq in (16, 128):
        ids = generator.integers(0, 30522, (1, seq), dtype=np.int64)
        yield Case(f"minilm 1x{seq}", path,
                   {"input_ids": ids, "attention_mask": np.ones_like(ids), "token_type_ids": np.zeros_like(ids)})


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--no-timing", action="store_true")
    arguments = parser.parse_args()

    path = make("minilm")
    print(f"Model: {path.relative_to(ROOT)}, {path.stat().st_size / 1e6:.0f} MB, batch and length dynamic")
    start = time.perf_counter()
    encoder = make_engine("bessemer", path, arguments.threads)
    print(f"Compiled for this CPU in {time.perf_counter() - start:.2f} s")

    feeds = tokenize(SENTENCES)
    answers = encoder(feeds)
    print(f"Embedded {len(SENTENCES)} sentences of up to {feeds['input_ids'].shape[1]} tokens: "
          f"{list(answers['sentence_embedding'].shape)}")
    related = show_similarities(answers["sentence_embedding"].copy())

    reference = make_engine("onnxruntime", path, arguments.threads)(feeds)
    worst = max(worst_error(answers[name], values) for name, values in reference.items())
    largest = max(np.abs(answers[name] - values).max() for name, values in reference.items())
    print(f"\nAgainst ONNX Runtime: largest difference {largest:.1e}, "
          f"{100 * worst:.2g} % of what is allowed (1e-4 absolute or 1e-3 relative)\n")

    if not arguments.no_timing and bessemer_package():
        rows = compare(list(timing_cases(path)), arguments.threads, rounds=5, round_s=0.3)
        print_rows(rows, arguments.threads, fma_peak(arguments.threads))

    if worst > 1 or not related:
        print("demo: FAILED: " + ("an answer is wrong" if worst > 1 else "related sentences are not close"))
        return 1
    print("demo: all answers agree, and each sentence's closest neighbour is its partner")
    return 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except EngineError as error:
        sys.exit(f"demo: {error}")
