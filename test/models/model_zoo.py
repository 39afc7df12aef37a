#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""The models that tests, demo and benchmarks use: how each is made, and the inputs that it is run on.

    model_zoo.py               makes those in build/models that are missing or older than their scripts
    model_zoo.py minilm ...    only these
    model_zoo.py --check       also runs each on ONNX Runtime: finite answers, and caches that agree with the prompt
"""

import argparse
import dataclasses
import pathlib
import subprocess
import sys
from typing import Callable

import numpy as np

from graph_builder import MODELS_DIR

HERE = pathlib.Path(__file__).resolve().parent


@dataclasses.dataclass
class Model:
    maker: list          # script of this folder and its arguments
    cases: Callable      # () -> list of (label, {input name: array})


def tokens(generator, batch, seq, vocabulary):
    return generator.integers(0, vocabulary, (batch, seq), dtype=np.int64)


def right_padded_mask(batch, seq):
    """Row i is i tokens shorter than the longest: every row length is met, none is empty."""
    lengths = np.maximum(seq - np.arange(batch), 1)
    return (np.arange(seq)[None] < lengths[:, None]).astype(np.int64)


def encoder_cases():
    generator = np.random.default_rng(10)
    for batch, seq in ((1, 16), (1, 1), (3, 7), (2, 128), (1, 77)):
        ids = tokens(generator, batch, seq, 30522)
        yield f"{batch}x{seq}", {"input_ids": ids, "attention_mask": right_padded_mask(batch, seq),
                                 "token_type_ids": np.zeros_like(ids)}


def decoder_inputs(generator, layers, kv_heads, head_size, vocabulary, batch, past, seq):
    positions = np.broadcast_to(np.arange(past, past + seq), (batch, seq)).astype(np.int64)
    feeds = {"input_ids": tokens(generator, batch, seq, vocabulary),
             "attention_mask": np.ones((batch, past + seq), np.int64), "position_ids": positions.copy()}
    for layer in range(layers):
        for part in ("key", "value"):
            cache = generator.standard_normal((batch, kv_heads, past, head_size), dtype=np.float32)
            feeds[f"past_key_values.{layer}.{part}"] = cache
    return feeds


def decoder_cases(layers, kv_heads, head_size, vocabulary):
    def cases():
        generator = np.random.default_rng(11)
        for batch, past, seq in ((1, 0, 8), (1, 8, 1), (2, 0, 5), (3, 17, 1), (2, 6, 4)):
            yield f"{batch}x{past}+{seq}", decoder_inputs(generator, layers, kv_heads, head_size, vocabulary,
                                                          batch, past, seq)
    return cases


def image_cases(name, shapes):
    def cases():
        generator = np.random.default_rng(12)
        for shape in shapes:
            yield "x".join(map(str, shape)), {name: generator.standard_normal(shape, dtype=np.float32)}
    return cases


def page_cases(shapes):
    """White pages with dark bars and strokes, normalized to [-1, 1]: noise alone shows a text detector no text."""
    def cases():
        generator = np.random.default_rng(14)
        for shape in shapes:
            page = np.ones(shape, np.float32)
            batch, _, height, width = shape
            for image in range(batch):
                for left in range(8, width - 8, 6):
                    top = int(generator.integers(height // 4, height // 2))
                    bottom = top + int(generator.integers(6, height // 3))
                    page[image, :, top:bottom, left:left + int(generator.integers(1, 4))] = -0.9
                    page[image, :, top:top + 2, left:left + int(generator.integers(2, 6))] = -0.9
            page += 0.02 * generator.standard_normal(shape, dtype=np.float32)
            yield "x".join(map(str, shape)), {"x": page}
    return cases


def silero_cases(rates):
    """Speech windows with the 64 (at 8 kHz: 32) samples of context in front, and a state that is not zero."""
    def cases():
        generator = np.random.default_rng(13)
        for batch, rate in ((batch, rate) for rate in rates for batch in (1, 2)):
            samples = 576 if rate == 16000 else 288
            yield f"{batch}@{rate}", {"input": 0.1 * generator.standard_normal((batch, samples), dtype=np.float32),
                                      "state": 0.1 * generator.standard_normal((2, batch, 128), dtype=np.float32),
                                      "sr": np.array(rate, np.int64)}
    return cases


MODELS = {
    "minilm": Model(["make_minilm.py"], encoder_cases),
    "minilm-decomposed": Model(["make_minilm.py", "--decomposed-layernorm", "--mask", "where"], encoder_cases),
    "minilm-one-layer": Model(["make_minilm.py", "--layers", "1"], encoder_cases),
    "gpt2-tiny": Model(["make_gpt2.py"], decoder_cases(2, 4, 16, 500)),
    "llama-tiny": Model(["make_llama.py"], decoder_cases(2, 2, 16, 500)),
    "resnet-tiny": Model(["make_resnet50.py", "--blocks", "1", "2", "--width", "16", "--classes", "10"],
                         image_cases("input", [(1, 3, 32, 32), (2, 3, 40, 24), (1, 3, 33, 47)])),
    "resnet50": Model(["make_resnet50.py"], image_cases("input", [(1, 3, 224, 224), (2, 3, 64, 96)])),
    "vit-tiny": Model(["make_vit.py"], image_cases("pixels", [(1, 3, 32, 32), (3, 3, 32, 32)])),
    "rapidocr-det": Model(["fetch_models.py"], page_cases([(1, 3, 64, 96), (1, 3, 160, 128)])),
    "rapidocr-cls": Model(["fetch_models.py"], page_cases([(1, 3, 48, 192), (3, 3, 48, 192)])),
    "rapidocr-rec": Model(["fetch_models.py"], page_cases([(1, 3, 48, 160), (2, 3, 48, 320)])),
    "silero-vad": Model(["fetch_models.py"], silero_cases((16000, 8000))),
    "silero-vad-ifless": Model(["fetch_models.py"], silero_cases((16000, 8000))),
    "silero-vad-16k": Model(["fetch_models.py"], silero_cases((16000,))),
}


def path_of(name):
    return MODELS_DIR / f"{name}.onnx"


def make(name):
    """Makes the model if it is missing or older than the scripts; returns its path."""
    maker, path = MODELS[name].maker, path_of(name)
    newest = max((HERE / file).stat().st_mtime for file in (maker[0], "graph_builder.py", "model_zoo.py"))
    if not path.exists() or path.stat().st_mtime < newest:
        out = [] if maker[0] == "fetch_models.py" else ["--out", str(path)]
        subprocess.run([sys.executable, str(HERE / maker[0]), *maker[1:], *out], check=True)
    return path


def check(name):
    import onnx
    import onnxruntime
    onnx.checker.check_model(str(path_of(name)), full_check=not name.startswith(("rapidocr", "silero")))
    session = onnxruntime.InferenceSession(str(path_of(name)), providers=["CPUExecutionProvider"])
    known = {value.name for value in session.get_inputs()}
    for label, feeds in MODELS[name].cases():
        answers = session.run(None, {k: v for k, v in feeds.items() if k in known})
        assert all(np.isfinite(a).all() for a in answers if a.dtype.kind == "f"), f"{name} {label}: not finite"
        print(f"  {label}: " + ", ".join(f"{list(a.shape)} std {a.std():.3g}" for a in answers[:2]))
    if "past_key_values.0.key" in known:
        check_cache(session, name)


def check_cache(session, name):
    """The prompt at once, and all but the last token followed by the last, must give the same logits."""
    feeds = dict(next(iter(MODELS[name].cases()))[1])
    caches = [key for key in feeds if key.startswith("past")]
    per_token = ("input_ids", "position_ids")
    whole = session.run(None, feeds)
    first = session.run(None, {**feeds, **{k: feeds[k][:, :-1] for k in (*per_token, "attention_mask")}})
    last = session.run(None, {**{k: feeds[k][:, -1:] for k in per_token}, "attention_mask": feeds["attention_mask"],
                              **dict(zip(caches, first[1:]))})
    error = np.abs(whole[0][:, -1] - last[0][:, 0]).max()
    print(f"  cache against prompt: {error:.2g}")
    assert error < 1e-4, name


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", metavar="NAME", help=", ".join(MODELS))
    parser.add_argument("--check", action="store_true")
    arguments = parser.parse_args()
    for name in arguments.names or MODELS:
        if name not in MODELS:
            parser.error(f"unknown model {name}; known: {', '.join(MODELS)}")
        print(make(name))
        if arguments.check:
            check(name)


if __name__ == "__main__":
    main()
