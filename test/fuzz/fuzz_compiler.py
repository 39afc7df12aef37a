#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Fuzzes the whole compiler with models: mutants of the ONNX node tests and of small models, and random legal graphs.

    fuzz_compiler.py --seconds 600               until the time is over
    fuzz_compiler.py --seed 5 --count 200        200 models, always the same
    fuzz_compiler.py --only 1234                 one model of the sequence, with all that is said about it
    fuzz_compiler.py --replay build/fuzz/*       kept findings, again

Each model is run by `bessemer run` and, where that gives an answer, by ONNX Runtime. It ends as one of
  pass     ran, with the answer of ONNX Runtime (or of ONNX's reference evaluator)
  alone    ran, and ONNX Runtime does not take the model
  refused  exit 2 with a diagnostic that names something of the model; failed: exit 1 with a reason
  unnamed  a diagnostic that names nothing
  wrong    another answer than ONNX Runtime, which ONNX's reference evaluator does not confirm
  crash    a signal, the crash guard, or a sanitizer's report
  hang
Findings (wrong, crash, hang, unnamed) are kept in build/fuzz/KIND-NUMBER, with model.onnx, its inputs and a text, and end the run with exit 1.
"""

import argparse
import collections
import concurrent.futures
import pathlib
import random
import re
import shutil
import sys
import tempfile
import threading
import time

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

import engines
from generate import generate
from mutate import constant_inputs, mutate

ROOT = engines.ROOT
FINDINGS = ("wrong", "crash", "hang", "unnamed")
sys.path[:0] = [str(ROOT / "test" / "models"), str(ROOT / "test" / "onnx-node")]


def load_cases():
    from make_cases import make_cases
    return make_cases(ROOT / "build" / "onnx-node")


def names_of(graph):
    names = {v.name for v in [*graph.input, *graph.output, *graph.initializer]}
    for node in graph.node:
        names |= {node.op_type, node.name, *node.output, *node.input}
        for attribute in node.attribute:
            for inner in [attribute.g, *attribute.graphs]:
                names |= names_of(inner)
    return names - {""}


def random_array(rng, dtype, shape):
    generator = np.random.default_rng(rng.randrange(1 << 30))
    if dtype.kind == "f":
        values = generator.standard_normal(shape)
        if rng.random() < 0.1 and values.size:
            values.flat[generator.integers(values.size)] = rng.choice([np.inf, -np.inf, 0.0, 1e30])
        with np.errstate(all="ignore"):
            return values.astype(dtype)
    if dtype.kind == "b":
        return generator.integers(0, 2, shape).astype(bool)
    return generator.integers(0 if dtype.kind == "u" else -3, 6, shape).astype(dtype)


def make_inputs(rng, model, given):
    """Data for each input: the given where it fits, else random of small extents."""
    constants = {v.name for v in model.graph.initializer}
    symbols, inputs = {}, {}
    for value in model.graph.input:
        if value.name in constants:
            continue
        tensor = value.type.tensor_type
        known = given.get(value.name)
        shape = []
        for dim in tensor.shape.dim:
            if dim.HasField("dim_value"):
                shape.append(dim.dim_value)
            else:
                match = re.fullmatch(r"d(\d+)", dim.dim_param)
                shape.append(symbols.setdefault(dim.dim_param, int(match[1]) if match else rng.choice([1, 2, 3, 5])))
        if isinstance(known, TensorProto):
            inputs[value.name] = known
            continue
        try:
            dtype = np.dtype(helper.tensor_dtype_to_np_dtype(tensor.elem_type))
        except Exception:  # pylint: disable=broad-except
            dtype = np.dtype(np.float32)
        if known is not None and known.dtype == dtype and list(known.shape) == shape:
            inputs[value.name] = known
        elif dtype.kind in "fiub" and all(0 <= n <= 4096 for n in shape) and np.prod(shape, dtype=float) < 1e6:
            inputs[value.name] = random_array(rng, dtype, shape)
        else:
            inputs[value.name] = np.zeros([1] * len(shape), dtype if dtype.kind in "fiub" else np.float32)
    return inputs


def load_case(case):
    model = onnx.load(case / "model.onnx")
    given = {}
    for index, value in enumerate(model.graph.input):
        path = case / "test_data_set_0" / f"input_{index}.pb"
        if not value.type.HasField("tensor_type") or not path.exists():
            continue
        tensor = TensorProto()
        tensor.ParseFromString(path.read_bytes())
        array = numpy_helper.to_array(tensor) if tensor.data_type != TensorProto.STRING else None
        given[value.name] = array if array is not None and array.dtype.kind in "fiub" and array.dtype.isbuiltin == 1 else tensor
    return model, given


def make_model(number, seed, cases, sources):
    """The model with this number: always the same one."""
    rng = random.Random(f"{seed}:{number}")
    if rng.choice(sources) == "generate":
        model, inputs = generate(rng)
        words = ["generated: " + " ".join(node.op_type for node in model.graph.node)]
        if rng.random() < 0.1:
            words += mutate(rng, model, 1)
        return model, make_inputs(rng, model, inputs), words
    case = rng.choice(cases)
    model, given = load_case(case)
    words = [case.name, *mutate(rng, model, rng.choice([1, 1, 1, 2, 3]))]
    inputs = make_inputs(rng, model, given)
    if rng.random() < 0.3:
        constant_inputs(rng, model, inputs)
        words.append("constant inputs")
    return model, inputs, words


def is_named(text, model):
    return any(name in text for name in names_of(model.graph)) or "model.onnx" in text


class Fuzzer:
    def __init__(self, arguments, cases):
        self.arguments, self.cases = arguments, cases
        self.local = threading.local()

    def run(self, number):
        """Returns kind, key (findings of one key have one cause, most likely) and the text."""
        try:
            model, inputs, words = make_model(number, self.arguments.seed, self.cases, self.arguments.sources)
            data = model.SerializeToString()
        except (ValueError, TypeError, onnx.onnx_cpp2py_export.shape_inference.InferenceError):
            return "unmade", "", ""  # protobuf does not take such a value
        with tempfile.TemporaryDirectory(prefix="bessemer-fuzz-") as folder:
            folder = pathlib.Path(folder)
            kind, text = self.judge(model, data, inputs, folder)
            text = "; ".join(words) + "\n" + text
            if kind in FINDINGS or self.arguments.only is not None:
                kept = self.arguments.findings / f"{kind}-{number}"
                shutil.rmtree(kept, ignore_errors=True)
                shutil.copytree(folder, kept)
                (kept / "finding.txt").write_text(text)
        return kind, self.key(kind, model, text), text

    def judge(self, model, data, inputs, folder):
        outputs = [value.name for value in model.graph.output]
        ended = engines.run_bessemer(data, inputs, outputs, folder, self.arguments.bessemer, self.arguments.timeout)
        if ended.kind in ("crash", "hang"):
            return ended.kind, ended.text
        if ended.kind != "ran":
            return (ended.kind if is_named(ended.text, model) else "unnamed"), ended.text
        if not hasattr(self.local, "runtime"):
            self.local.runtime = engines.OnnxRuntime()
        expected, error = self.local.runtime.run(data, inputs)
        if expected is None:
            return "alone", error
        texts = [engines.difference(a, b) for a, b in zip(expected, ended.outputs)]
        if not any(texts):
            return "pass", ""
        other = engines.reference(data, inputs)
        if other is not None and not any(engines.difference(np.asarray(a), b) for a, b in zip(other, ended.outputs)):
            return "pass", "ONNX's reference evaluator agrees, ONNX Runtime does not"
        return "wrong", "\n".join(f"output {name}: {text}" for name, text in zip(outputs, texts) if text)

    def replay(self, kept):
        model = onnx.load(kept / "model.onnx")
        constants = {v.name for v in model.graph.initializer}
        inputs = {}
        for index, name in enumerate(v.name for v in model.graph.input if v.name not in constants):
            path = kept / f"input_{index}.npy"
            if path.exists():
                inputs[name] = np.load(path)
            else:
                inputs[name] = TensorProto()
                inputs[name].ParseFromString(path.with_suffix(".pb").read_bytes())
        with tempfile.TemporaryDirectory(prefix="bessemer-fuzz-") as folder:
            return self.judge(model, (kept / "model.onnx").read_bytes(), inputs, pathlib.Path(folder))

    @staticmethod
    def key(kind, model, text):
        if kind not in FINDINGS:
            return ""
        ops = sorted({node.op_type for node in model.graph.node})
        return f"{kind}: {' '.join(ops)[:80]}: {re.sub(r'[0-9.e+-]+', '_', text.splitlines()[1] if chr(10) in text else text)[:100]}"


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--bessemer", type=pathlib.Path, default=engines.BESSEMER)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--first", type=int, default=0)
    parser.add_argument("--count", type=int)
    parser.add_argument("--seconds", type=float)
    parser.add_argument("--only", type=int, metavar="NUMBER")
    parser.add_argument("--replay", type=pathlib.Path, nargs="+", metavar="FOLDER")
    parser.add_argument("--filter", default="", metavar="REGEX", help="node tests to start from")
    parser.add_argument("--sources", nargs="+", choices=["mutate", "generate"], default=["mutate", "mutate", "generate"])
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--timeout", type=float, default=60)
    parser.add_argument("--findings", type=pathlib.Path, default=ROOT / "build" / "fuzz")
    arguments = parser.parse_args()
    arguments.findings.mkdir(parents=True, exist_ok=True)
    cases = [case for case in load_cases() if re.search(arguments.filter, case.name)]
    fuzzer = Fuzzer(arguments, cases)
    if arguments.replay:
        results = [(kept, *fuzzer.replay(kept)) for kept in arguments.replay]
        for kept, kind, text in results:
            print(f"{kept.name}: {kind}: {text.strip()[:600]}")
        return int(any(kind in FINDINGS for _, kind, _ in results))
    if arguments.only is not None:
        kind, _, text = fuzzer.run(arguments.only)
        print(f"{kind}: {text}")
        return int(kind in FINDINGS)

    deadline = time.monotonic() + (arguments.seconds or 1e9)
    last = arguments.first + (arguments.count or (1 << 60 if arguments.seconds else 1000))
    counts, keys = collections.Counter(), collections.Counter()
    numbers, lock = iter(range(arguments.first, last)), threading.Lock()

    def work():
        while time.monotonic() < deadline:
            with lock:
                number = next(numbers, None)
            if number is None:
                return
            kind, key, text = fuzzer.run(number)
            with lock:
                counts[kind] += 1
                keys[key] += bool(key)
                if key and keys[key] <= 2:
                    print(f"--- {kind} {number}: {text[:1200]}", flush=True)

    with concurrent.futures.ThreadPoolExecutor(arguments.jobs) as pool:
        for future in [pool.submit(work) for _ in range(arguments.jobs)]:
            future.result()
    for key, count in keys.most_common(40):
        if key:
            print(f"{count:5} {key}")
    print("fuzz: " + ", ".join(f"{count} {kind}" for kind, count in sorted(counts.items())))
    found = sum(counts[kind] for kind in FINDINGS)
    print(f"{sum(counts.values()) - found} passed, {found} failed")
    return int(found > 0)


if __name__ == "__main__":
    sys.exit(main())
