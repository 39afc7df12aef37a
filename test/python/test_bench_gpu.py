# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""The cases of bench/gpu: every kind of kernel that it times gives the right answer in the emulator, for both generations,
and the archive for the GPU machine holds what it needs. test/python-torch runs an archive."""

import hashlib
import json
import subprocess
import sys
import tarfile

import ml_dtypes
import numpy as np
import pytest
from tool import ROOT

import bessemer
from testing.engines import make_engine

sys.path.append(str(ROOT / "bench" / "gpu"))
import cases  # noqa: E402  pylint: disable=wrong-import-position
import models  # noqa: E402  pylint: disable=wrong-import-position
import predict  # noqa: E402  pylint: disable=wrong-import-position


def softmax(x):
    e = np.exp(x - x.max(-1, keepdims=True))
    return e / e.sum(-1, keepdims=True)


def reference(case, operands):
    """One operation in float64."""
    x = operands["x"]
    if case.group == "matmul":
        y = x @ operands["w"]
        return y @ operands["v"] if "v" in operands else y
    if case.group == "attention":
        heads, length, depth = x.shape[1:]
        k, v = (np.repeat(operands[name], heads // operands[name].shape[1], 1) for name in "kv")
        scores = x @ k.swapaxes(2, 3) / np.sqrt(depth)
        if " causal" in case.name:
            scores = np.where(np.tri(length, dtype=bool), scores, -np.inf)
        return softmax(scores) @ v
    if "b" in operands:
        return (x - x.mean(-1, keepdims=True)) / np.sqrt(x.var(-1, keepdims=True) + 1e-5) * operands["g"] + operands["b"]
    if "g" in operands:
        return x / np.sqrt((x * x).mean(-1, keepdims=True) + 1e-5) * operands["g"]
    return softmax(x)


@pytest.mark.parametrize("target", ["cuda:sm_80", "cuda:sm_90a"])
@pytest.mark.parametrize("case", cases.small(), ids=lambda case: case.name)
def test_a_case_is_right(case, target):
    kind = np.dtype(getattr(ml_dtypes, case.dtype) if case.dtype == "bfloat16" else case.dtype)
    operands = {name: array.astype(kind) for name, array in case.operands(np.random.default_rng(5)).items()}
    program = bessemer.compile(case.model(case.lengths[0]), target=target, emulate=True, sanitize=True)
    y = program(operands)["y"].astype(np.float64)
    expected = reference(case, {name: array.astype(np.float64) for name, array in operands.items()})
    assert np.linalg.norm(y - expected) <= case.tolerance * np.linalg.norm(expected)
    assert program.findings == ""
    # The chain is as many launches as operations: else the difference of two chains is not their time.
    launches = bessemer.compile(case.model(5), target=target, emulate=True).report["kernels"]
    assert sum(kernel["launches"] for kernel in launches if kernel["kind"] != "map") >= 5


def test_the_archive_is_complete(tmp_path):
    out = tmp_path / "gpu.tar.gz"
    subprocess.run([sys.executable, ROOT / "bench" / "gpu" / "make_archive.py", "--target=cuda:sm_90a", "--size=small", "-o", out],
                   check=True, timeout=300)
    with tarfile.open(out) as archive:
        names = set(archive.getnames())
        manifest = json.load(archive.extractfile("gpu/manifest.json"))
        assert {"gpu/run.py", "gpu/cases.py", "gpu/models.py", "gpu/run_models.py", "gpu/bessemer/__init__.py", "gpu/bessemer/libbessemer-runtime.so"} <= names
        assert [entry["case"] for entry in manifest["cases"]] == [case.name for case in cases.small()]
        for entry in manifest["cases"]:
            assert "refused" not in entry, entry
            for program in entry["programs"].values():
                assert archive.getmember(f"gpu/programs/{program}").size > 1000
        assert [entry["case"] for entry in manifest["models"]] == [model.name for model in models.small()]
        assert all(archive.getmember(f"gpu/programs/{entry['program']}").size > 1000 for entry in manifest["models"])
        assert not [name for name in names if name.endswith(".weights")], "weights are made where it runs"


@pytest.mark.parametrize("model,target", list(zip(models.small(), ["cuda:sm_90a", "cuda:sm_80", "cuda:sm_90a"])),
                         ids=lambda value: getattr(value, "name", value))
def test_a_whole_model_is_right(model, target, tmp_path):
    path = tmp_path / "model.onnx"
    path.write_bytes(model.onnx())
    model.weights.write(tmp_path)
    feeds = model.feeds()
    generator = np.random.default_rng(6)
    for layer in range(model.cache[0] if model.cache else 0):
        for part in ("key", "value"):
            shape = (1, model.cache[1], model.past, model.cache[2])
            feeds[f"past_key_values.{layer}.{part}"] = generator.standard_normal(shape).astype(np.float16)
    expected = make_engine("onnxruntime", path, threads=1)(feeds)
    program = bessemer.compile(str(path), target=target, emulate=True, sanitize=True, dims=model.dims)
    for name, values in program(feeds).items():
        reference = expected[name].astype(np.float64)
        assert np.linalg.norm(values.astype(np.float64) - reference) <= 2e-2 * np.linalg.norm(reference), name
    assert program.findings == ""


def test_weights_are_the_same_bytes_everywhere(tmp_path):
    """Artifacts check them by their hash: a machine that draws others refuses them."""
    data = models.small()[0].weights.write(tmp_path).read_bytes()
    assert hashlib.sha256(data).hexdigest() == "de3159287e4f6daf9724912b3a08a0dbf1ac1ddd8a6c6076d5604f451ba65d4b"


def test_the_hot_loop_is_the_innermost_one_with_the_products():
    code = [("MOV", None), ("LDG", None), ("HMMA", None), ("LDSM", None), ("BRA", "inner"), ("FFMA", None), ("BRA", "outer"),
            ("IADD3", None), ("BRA", "later"), ("EXIT", None)]
    labels = {"outer": 1, "inner": 2, "later": 9}
    mix, repeated = predict.hot_loop([(opcode, target, labels) for opcode, target in code])
    assert repeated and mix == {"mma": 1, "shared": 1, "branch": 1}
    mix, repeated = predict.hot_loop([("LDG", None, {}), ("EXIT", None, {})])
    assert not repeated and mix == {"load": 1, "branch": 1}
