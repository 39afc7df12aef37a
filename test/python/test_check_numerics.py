# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""`bessemer-opt --check-numerics` on whole models: no pass up to fuse changes an answer, on recorded inputs or on random ones."""

import onnx
import pytest
from onnx import numpy_helper

from model_zoo import MODELS, make
from tool import bessemer, opt

PHASES = [f"--bessemer-phase-{phase}" for phase in ("simplify", "outline", "layout", "fuse")]
# Random extents do not fit silero's chunks.
RANDOM = {"minilm": [], "gpt2-tiny": [], "vit-tiny": [], "resnet-tiny": [],
          "silero-vad": ["--numerics-dim=input.d0=1", "--numerics-dim=input.d1=256", "--numerics-dim=state.d1=1"]}


def legalized(name, tmp_path):
    text = tmp_path / "legalized.mlir"
    ended = bessemer("compile", make(name), "--compile-to=legalize", "-o", text)
    assert ended.code == 0, ended.text
    return text


@pytest.mark.parametrize("name", RANDOM)
def test_passes_keep_the_answers_on_random_inputs(name, tmp_path):
    ended = opt(legalized(name, tmp_path), "--check-numerics", *RANDOM[name], *PHASES, "-o", tmp_path / "fused.mlir")
    assert ended.code == 0 and "not checked" not in ended.text, ended.text[:2000]


@pytest.mark.parametrize("name", ["gpt2-tiny", "llama-tiny", "silero-vad", "rapidocr-cls"])
def test_passes_keep_the_answers_on_recorded_inputs(name, tmp_path):
    path = make(name)
    _, feeds = next(iter(MODELS[name].cases()))
    for index, value in enumerate(onnx.load(path, load_external_data=False).graph.input):
        (tmp_path / f"input_{index}.pb").write_bytes(numpy_helper.from_array(feeds[value.name]).SerializeToString())
    ended = opt(legalized(name, tmp_path), "--check-numerics", f"--numerics-case={tmp_path}", *PHASES, "-o", tmp_path / "fused.mlir")
    assert ended.code == 0 and "not checked" not in ended.text, ended.text[:2000]


def test_a_check_that_checks_nothing_is_refused(tmp_path):
    """One input of five: what the check needs is missing."""
    text = legalized("gpt2-tiny", tmp_path)
    (tmp_path / "input_0.pb").write_bytes(numpy_helper.from_array(next(iter(MODELS["gpt2-tiny"].cases()))[1]["input_ids"]).SerializeToString())
    ended = opt(text, "--check-numerics", f"--numerics-case={tmp_path}", *PHASES, "-o", tmp_path / "fused.mlir")
    assert ended.code == 2 and "is not checked" in ended.text, ended.text[:2000]
