# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Whole models that bench/gpu measures: BERT-base and GPT-2 in float16, and the same in plain PyTorch.

Their weights are no files of the archive: `Weights` draws them from a seed by a counter, in integers up to the
last step, so that every machine makes the same bytes, into the external-data file that the ONNX model names. Artifacts check
them by their hash when they are loaded.

    model = full()[0]
    model.weights.write(folder)                    # gpu-bert.weights
    model.onnx()                                   # bytes, only where onnx is
    model.feeds()                                  # NumPy arrays by name
    model.step(torch, weights, feeds)              # the same outputs, in order
"""

import dataclasses
import math
import pathlib
from typing import Callable

import numpy as np

ALIGNMENT = 256


class Weights:
    """Tensors (name, shape, kind) at multiples of 256 bytes of one file. Kinds are those of GraphBuilder: "normal" has the deviation
    `scale`, "zeros" and "ones" a noise of 0.1, all uniform."""

    def __init__(self, location, specs, seed, scale):
        self.location, self.specs, self.seed, self.scale = location, specs, seed, scale
        self.dtype = np.dtype(np.float16)

    def array(self, index):
        _, shape, kind = self.specs[index]
        raw = np.random.Philox(key=self.seed, counter=index << 64).random_raw(-(-math.prod(shape) // 4))
        words = raw.astype("<u8").view("<u2")[:math.prod(shape)].reshape(shape)
        deviation = self.scale if kind == "normal" else 0.1
        values = (words.astype(np.float32) - 32767.5) * np.float32(deviation * math.sqrt(3) / 32768)
        return (values + np.float32(kind == "ones")).astype(self.dtype)

    def offsets(self):
        place, result = 0, []
        for _, shape, _ in self.specs:
            result.append(place)
            place += -(-math.prod(shape) * self.dtype.itemsize // ALIGNMENT) * ALIGNMENT
        return result

    def write(self, folder):
        path = pathlib.Path(folder) / self.location
        with open(path, "wb") as file:
            for index, offset in enumerate(self.offsets()):
                file.seek(offset)
                file.write(self.array(index).tobytes())
        return path

    def arrays(self):
        return {name: self.array(index) for index, (name, _, _) in enumerate(self.specs)}


class External:
    """What GraphBuilder asks for weights: ranges of the file, in the order of `Weights`."""

    def __init__(self, weights):
        self.weights = weights
        self.dtype = weights.dtype
        self.places = {spec[0]: (spec, offset) for spec, offset in zip(weights.specs, weights.offsets())}

    def tensor(self, name, shape, kind="normal"):
        from onnx import TensorProto
        (_, known, known_kind), offset = self.places[name]
        if tuple(known) != tuple(shape) or known_kind != kind:
            raise ValueError(f"weight {name}: expected {tuple(known)}, {known_kind}; got {tuple(shape)}, {kind}")
        proto = TensorProto(name=name, dims=list(shape), data_type=TensorProto.FLOAT16, data_location=TensorProto.EXTERNAL)
        for key, value in (("location", self.weights.location), ("offset", offset), ("length", math.prod(shape) * 2)):
            entry = proto.external_data.add()
            entry.key, entry.value = key, str(value)
        return proto


@dataclasses.dataclass(frozen=True)
class ModelCase:
    name: str
    weights: Weights
    build: Callable    # () -> GraphBuilder; needs onnx
    feeds: Callable    # () -> arrays by the names of the inputs, caches left out
    step: Callable     # step(torch, weights, feeds, caches) -> first output
    dims: dict         # of the compilation, see `bessemer compile --dim`
    past: int = 0      # places of the caches that are taken; the case is a step of a decoder where it is not 0
    cache: tuple = ()  # (layers, heads, head size) of a decoder

    def onnx(self):
        return self.build().model().SerializeToString()


def linear_specs(name, inputs, outputs, suffix):
    return [(f"{name}.{suffix}", (inputs, outputs), "normal"), (f"{name}.bias", (outputs,), "zeros")]


def norm_specs(name, width):
    return [(f"{name}.weight", (width,), "ones"), (f"{name}.bias", (width,), "zeros")]


# ---- BERT -------------------------------------------------------------------------------

def bert(batch, length, layers=12, width=768, heads=12, vocabulary=30522):
    """The encoder of BERT, without a mask: input_ids [batch, length] -> [batch, length, width]."""
    location, epsilon = f"gpu-bert-{layers}x{width}.weights", 1e-12
    specs = [("words", (vocabulary, width), "normal"), ("positions", (512, width), "normal"), *norm_specs("norm", width)]
    for i in range(layers):
        for part in ("query", "key", "value", "out"):
            specs += linear_specs(f"{i}.{part}", width, width, "weight_t")
        specs += norm_specs(f"{i}.norm1", width) + linear_specs(f"{i}.up", width, 4 * width, "weight_t")
        specs += linear_specs(f"{i}.down", 4 * width, width, "weight_t") + norm_specs(f"{i}.norm2", width)
    weights = Weights(location, specs, seed=11, scale=0.02 * math.sqrt(768 / width))

    def build():
        from graph_builder import GraphBuilder
        g = GraphBuilder("bert", weights=External(weights))

        def heads_of(x):
            return g.Transpose(g.reshape(x, batch, length, heads, width // heads), perm=[0, 2, 1, 3])

        ids = g.input("input_ids", np.int64, [batch, length])
        positions = g.slice(g.weight("positions", (512, width)), 0, 0, length)
        x = g.layer_norm(g.Add(g.Gather(g.weight("words", (vocabulary, width)), ids), positions), "norm", width, epsilon)
        for i in range(layers):
            query, key, value = (heads_of(g.linear(x, f"{i}.{part}", width, width)) for part in ("query", "key", "value"))
            scores = g.Div(g.MatMul(query, g.Transpose(key, perm=[0, 1, 3, 2])), g.scalar(math.sqrt(width // heads)))
            context = g.Transpose(g.MatMul(g.Softmax(scores, axis=-1), value), perm=[0, 2, 1, 3])
            out = g.linear(g.reshape(context, batch, length, width), f"{i}.out", width, width)
            x = g.layer_norm(g.Add(out, x), f"{i}.norm1", width, epsilon)
            hidden = g.gelu_erf(g.linear(x, f"{i}.up", width, 4 * width))
            x = g.layer_norm(g.Add(g.linear(hidden, f"{i}.down", 4 * width, width), x), f"{i}.norm2", width, epsilon)
        g.output(x, "y", np.float16, [batch, length, width])
        return g

    def step(torch, w, given, _caches=None):
        functional = torch.nn.functional

        def norm(x, name):
            return functional.layer_norm(x, (width,), w[f"{name}.weight"], w[f"{name}.bias"], epsilon)

        def linear(x, name):
            return x @ w[f"{name}.weight_t"] + w[f"{name}.bias"]

        x = norm(w["words"][given["input_ids"]] + w["positions"][:length], "norm")
        for i in range(layers):
            query, key, value = (linear(x, f"{i}.{part}").view(batch, length, heads, -1).transpose(1, 2)
                                 for part in ("query", "key", "value"))
            context = functional.scaled_dot_product_attention(query, key, value)
            x = norm(linear(context.transpose(1, 2).reshape(batch, length, width), f"{i}.out") + x, f"{i}.norm1")
            x = norm(linear(functional.gelu(linear(x, f"{i}.up")), f"{i}.down") + x, f"{i}.norm2")
        return x

    def feeds():
        return {"input_ids": np.random.default_rng(3).integers(0, vocabulary, (batch, length))}

    return ModelCase(f"BERT {layers} x {width}, {batch} x {length} float16", weights, build, feeds, step, {})


# ---- GPT-2 ------------------------------------------------------------------------------

def gpt2(past, length, layers=12, width=768, heads=12, vocabulary=50257, positions=1024):
    """GPT-2 with its caches, batch 1: `length` tokens behind `past` others. One model for prompt and steps."""
    def layer(i):
        return f"transformer.h.{i}"

    specs = [("transformer.wte.weight", (vocabulary, width), "normal"), ("transformer.wpe.weight", (positions, width), "normal")]
    for i in range(layers):
        for part, (inputs, outputs) in {"attn.c_attn": (1, 3), "attn.c_proj": (1, 1), "mlp.c_fc": (1, 4), "mlp.c_proj": (4, 1)}.items():
            specs += linear_specs(f"{layer(i)}.{part}", inputs * width, outputs * width, "weight")
        specs += norm_specs(f"{layer(i)}.ln_1", width) + norm_specs(f"{layer(i)}.ln_2", width)
    specs += norm_specs("transformer.ln_f", width) + [("lm_head.weight_t", (width, vocabulary), "normal")]
    weights = Weights(f"gpu-gpt2-{layers}x{width}.weights", specs, seed=12, scale=0.02 * math.sqrt(768 / width))

    def build():
        from make_gpt2 import GPT2, Config
        decoder = GPT2(Config(layers, width, heads, vocabulary, positions), External(weights))
        return decoder.build()

    causal = past == 0

    def step(torch, w, given, caches):
        functional = torch.nn.functional

        def norm(x, name):
            return functional.layer_norm(x, (width,), w[f"{name}.weight"], w[f"{name}.bias"], 1e-5)

        def linear(x, name):
            return x @ w[f"{name}.weight"] + w[f"{name}.bias"]

        x = w["transformer.wte.weight"][given["input_ids"]] + w["transformer.wpe.weight"][given["position_ids"]]
        for i in range(layers):
            name = layer(i)
            fused = linear(norm(x, f"{name}.ln_1"), f"{name}.attn.c_attn").view(1, length, 3, heads, -1).permute(2, 0, 3, 1, 4)
            query, (keys, values) = fused[0], caches[i]
            keys[:, :, past:past + length], values[:, :, past:past + length] = fused[1], fused[2]
            context = functional.scaled_dot_product_attention(query, keys[:, :, :past + length], values[:, :, :past + length],
                                                              is_causal=causal)
            x = linear(context.transpose(1, 2).reshape(1, length, width), f"{name}.attn.c_proj") + x
            hidden = functional.gelu(linear(norm(x, f"{name}.ln_2"), f"{name}.mlp.c_fc"), approximate="tanh")
            x = x + linear(hidden, f"{name}.mlp.c_proj")
        return norm(x, "transformer.ln_f") @ w["lm_head.weight_t"]

    def feeds():
        return {"input_ids": np.random.default_rng(4).integers(0, vocabulary, (1, length)),
                "attention_mask": np.ones((1, past + length), np.int64),
                "position_ids": np.arange(past, past + length, dtype=np.int64)[None]}

    if past and length != 1:
        raise ValueError(f"expected a prompt or one token, got {length} behind {past}")
    return ModelCase(f"GPT-2 {layers} x {width}, {length} behind {past} float16", weights, build, feeds, step,
                     {"batch": "1", "sequence_length": str(length), "past_sequence_length": f"<={positions - length}"},
                     past, (layers, heads, width // heads))


def full():
    return [bert(batch, length) for batch in (1, 8) for length in (128, 384)] + [gpt2(0, 512), gpt2(512, 1)]


def small():
    sizes = {"layers": 2, "width": 64, "heads": 2, "vocabulary": 96}
    return [bert(2, 16, **sizes), gpt2(0, 12, **sizes, positions=64), gpt2(12, 1, **sizes, positions=64)]
