# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""What a run takes in memory: arenas close to the bound, limits that are kept, pictures."""

import json
import re
import subprocess
import sys
import xml.etree.ElementTree

import numpy as np
import onnx
import onnx.parser
import pytest

import bessemer
from model_zoo import MODELS, make
from testing.engines import ROOT, TOOL, make_engine, worst_error

sys.path.append(str(ROOT / "bench"))
from memory import bound_dims, encoder_feeds, explain, largest_case  # noqa: E402  pylint: disable=wrong-import-position


@pytest.mark.parametrize("name", MODELS)
def test_arena_is_within_two_percent_of_the_largest_live_sum(name):
    path = make(name)
    _, feeds = largest_case(name)
    code, report, errors = explain(path, bound_dims(path, feeds))
    assert code == 0, errors
    live = report["live_bytes"]
    if live < 0:
        pytest.skip(f"sizes that only the data tells: arena {report['arena_bytes']}")
    assert live <= int(report["arena_bytes"]) <= live * 1.02, f"{name}: arena {report['arena_bytes']}, live {live}"


@pytest.fixture(scope="module")
def minilm_512():
    path = make("minilm")
    feeds = encoder_feeds(512)
    dims = {"batch": 1, "seq": 512}
    _, report, _ = explain(path, dims, "--memory=1T")
    return path, feeds, dims, report["memory"], make_engine("onnxruntime", path, threads=2)(feeds)


@pytest.mark.parametrize("share", [0, 0.5, 1])
def test_minilm_is_right_at_the_smallest_limit_halfway_and_with_all(minilm_512, share, tmp_path):
    path, feeds, dims, memory, expected = minilm_512
    limit = int(memory["minimum_bytes"] + share * (memory["total_bytes"] - memory["minimum_bytes"]))
    artifact = tmp_path / "model.bsm"
    options = [f"--dim={name}={value}" for name, value in dims.items()]
    subprocess.run([TOOL, "compile", path, "-o", artifact, f"--memory={limit}", *options], check=True)
    assert bessemer.load(artifact).weight_bytes < 1 << 20, "the artifact keeps the limit: contexts hold the weights"
    inputs = []
    for name, array in feeds.items():
        np.save(tmp_path / f"{name}.npy", array)
        inputs += ["--input", f"{name}={tmp_path / name}.npy"]
    subprocess.run([TOOL, "run", artifact, *inputs, "--outputs", tmp_path / "out"], check=True)
    for name, values in expected.items():
        assert worst_error(np.load(tmp_path / "out" / f"{name}.npy"), values) <= 1


def test_a_limit_below_the_smallest_is_refused_with_what_makes_it_so(minilm_512):
    path, _, dims, memory, _ = minilm_512
    code, _, errors = explain(path, dims, f"--memory={memory['minimum_bytes'] - 1}")
    assert code == 2
    assert f"at least {memory['minimum_bytes']} bytes" in errors
    assert "intermediate" in errors  # the largest tensor of the arena


def test_free_dimensions_meet_the_limit_when_a_run_binds_them(minilm_512, tmp_path):
    path, feeds, _, _, _ = minilm_512
    inputs = []
    for name, array in feeds.items():
        np.save(tmp_path / f"{name}.npy", array)
        inputs += ["--input", f"{name}={tmp_path / name}.npy"]
    command = [TOOL, "run", path, *inputs]
    done = subprocess.run([*command, "--memory=1M"], capture_output=True, text=True, check=False)
    assert done.returncode == 2 and "expected a memory limit of at least" in done.stderr
    smallest = int(re.search(r"at least (\d+) bytes", done.stderr)[1])
    done = subprocess.run([*command, f"--memory={smallest}"], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("text", ["-5", "0", "12Q", "many"])
def test_a_limit_that_is_no_size_is_refused(text):
    done = subprocess.run([TOOL, "explain", make("vit-tiny"), f"--memory={text}"], capture_output=True, text=True, check=False)
    assert done.returncode == 2 and "expected a number of bytes" in done.stderr


def test_the_arena_is_drawn(tmp_path):
    picture = tmp_path / "arena.svg"
    subprocess.run([TOOL, "explain", make("vit-tiny"), "--dim=batch=1", f"--memory={picture}"], check=True, capture_output=True)
    root = xml.etree.ElementTree.parse(picture).getroot()
    names = [title.text for title in root.iter("{http://www.w3.org/2000/svg}title")]
    assert len(names) > 5 and any("MatMul" in name for name in names)
    assert "peak" in "".join(text.text or "" for text in root.iter("{http://www.w3.org/2000/svg}text"))


def test_a_picture_needs_known_sizes(tmp_path):
    done = subprocess.run([TOOL, "explain", make("vit-tiny"), f"--memory={tmp_path / 'a.svg'}"], capture_output=True, text=True,
                          check=False)
    assert done.returncode == 2 and "free dimensions (batch)" in done.stderr


def test_bounded_dimensions_are_planned_at_their_bound():
    report = subprocess.run([TOOL, "explain", make("minilm"), "--json", "--dim", "batch<=1", "--dim", "seq<=512"],
                            capture_output=True, text=True, check=True)
    exact = explain(make("minilm"), {"batch": 1, "seq": 512})[1]
    assert int(json.loads(report.stdout)["arena_bytes"]) <= 1.02 * int(exact["arena_bytes"])


def test_kernels_run_in_pieces_where_the_limit_asks_for_it(minilm_512):
    """The smallest limit is below what the kernels take as a whole, and the report says what was done."""
    path, _, dims, memory, _ = minilm_512
    whole = next(choice["minimum_bytes"] for choice in memory["choices"] if choice["pieces"] == 0)
    assert memory["minimum_bytes"] < 0.9 * whole
    _, report, _ = explain(path, dims, f"--memory={memory['minimum_bytes']}")
    memory = report["memory"]
    assert memory["pieces"] > 1 and memory["total_bytes"] <= memory["limit"]
    assert any("kernels in" in text for text in memory["splits"]) and memory["streamed_bytes"] > 0


@pytest.mark.parametrize("name", ["vit-tiny", "resnet-tiny", "gpt2-tiny", "llama-tiny", "minilm"])
def test_answers_are_right_at_the_smallest_limit(name):
    path = make(name)
    _, feeds = largest_case(name)
    dims = bound_dims(path, feeds)
    _, report, _ = explain(path, dims, "--memory=1T", "--threads=2")
    program = bessemer.compile(str(path), dims=dims, threads=2, memory=report["memory"]["minimum_bytes"])
    expected = make_engine("onnxruntime", path, threads=2)(feeds)
    for output, value in program(feeds).items():
        assert worst_error(value, expected[output]) <= 1, output
    with pytest.raises(bessemer.Error, match="expected a memory limit of at least"):
        bessemer.compile(str(path), dims=dims, threads=2, memory=report["memory"]["minimum_bytes"] - 1)


def test_tensors_whose_size_the_data_tells_are_bounded(tmp_path):
    model = onnx.parser.parse_model("""<ir_version: 8, opset_import: ["" : 17]>
        g (float[n] x) => (int64[1, k] y) { y = NonZero(x) }""").SerializeToString()
    bessemer.compile(model).save(tmp_path / "m.bsm")
    program = bessemer.load(tmp_path / "m.bsm", pool=1024)
    assert program(np.ones(100, np.float32))[0].shape == (1, 100)
    assert program(np.ones(128, np.float32))[0].shape == (1, 128)
    with pytest.raises(bessemer.OutOfMemory, match="expected at most 1024 bytes of tensors whose size only the data tells.*got 1032"):
        program(np.ones(129, np.float32))
    assert program(np.ones(128, np.float32))[0].shape == (1, 128)
