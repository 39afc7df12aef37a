# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""The cases of bench/gpu: every kind of kernel that it times gives the right answer in the emulator, for both generations,
and the archive for the GPU machine holds what it needs. test/python-torch runs an archive."""

import json
import subprocess
import sys
import tarfile

import ml_dtypes
import numpy as np
import pytest
from tool import ROOT

import bessemer

sys.path.append(str(ROOT / "bench" / "gpu"))
import cases  # noqa: E402  pylint: disable=wrong-import-position


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
        assert {"gpu/run.py", "gpu/cases.py", "gpu/bessemer/__init__.py", "gpu/bessemer/libbessemer-runtime.so"} <= names
        assert [entry["case"] for entry in manifest["cases"]] == [case.name for case in cases.small()]
        for entry in manifest["cases"]:
            assert "refused" not in entry, entry
            for program in entry["programs"].values():
                assert archive.getmember(f"gpu/programs/{program}").size > 1000
