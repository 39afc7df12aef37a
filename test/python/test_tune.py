# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""`bessemer tune`: candidates are built, measured (by the emulated device, whose time is the cost model's), compared, kept as
data, and found again by the compiler; a pack is measured by bench/gpu/tune.py."""

import json
import math
import re
import subprocess
import sys
import tarfile

import ml_dtypes
import numpy as np
import pytest
from graph_builder import GraphBuilder
from tool import ROOT, bessemer, opt

import bessemer as package

TARGET = "--target=cuda:sm_90a"


def two_products(path, rows=64):
    """x (rows x 128) w (128 x 64), and with a bias and a gelu v (64 x 96)."""
    graph = GraphBuilder("two", opset=20, ir_version=10)
    kind = ml_dtypes.bfloat16
    for name, shape in {"x": (rows, 128), "w": (128, 64), "v": (64, 96), "b": (96,)}.items():
        graph.input(name, kind, shape)
    graph.output(graph.Gelu(graph.Add(graph.MatMul(graph.MatMul("x", "w"), "v"), "b")), "y", kind, (rows, 96))
    path.write_bytes(graph.model().SerializeToString())
    return path


def kernels_of(model, *options):
    """The reasons of the kernels, as `explain` has them."""
    done = subprocess.run([ROOT / "build" / "bin" / "bessemer", "explain", model, TARGET, "--json", *options],
                          capture_output=True, text=True, check=True, timeout=120)
    return [kernel["reason"] for kernel in json.loads(done.stdout)["kernels"]], done.stderr


def entries_of(path):
    return json.loads(path.read_text())["products"]


def test_a_model_is_tuned_in_the_emulator(tmp_path):
    model, tuned = two_products(tmp_path / "m.onnx"), tmp_path / "tuned.json"
    done = bessemer("tune", model, TARGET, "--emulate", "--candidates=4", "--rounds=2", "-o", tuned, timeout=300)
    assert done.code == 0, done.text
    entries = entries_of(tuned)
    assert [(e["product"]["columns"], e["product"]["epilogue"]) for e in sorted(entries, key=lambda e: e["product"]["columns"])] == [
        (64, "none"), (96, "functions")]
    for entry in entries:
        assert entry["device"] == "emulator"
        assert 0 < entry["seconds"] <= entry["model_seconds"]
    # Its times are the model's: whatever is measured, the model's choice is the fastest, or as fast.
    again = tmp_path / "again.json"
    assert bessemer("tune", model, TARGET, "--emulate", "--candidates=4", "--rounds=2", "-o", again, timeout=300).code == 0
    assert again.read_text() == tuned.read_text()
    reasons, warnings = kernels_of(model, f"--tuned={tuned}")
    assert all("tuned: " in reason and "measured on emulator" in reason and "the model would choose" in reason for reason in reasons)
    assert warnings == ""
    assert not any("tuned: " in reason for reason in kernels_of(model, "--tuned=none")[0])
    # It is another choice that is compiled, not another text, and the answer stays right.
    other = json.loads(tuned.read_text())
    for entry in other["products"]:
        entry["schedule"] |= {"stages": 3}
    tuned.write_text(json.dumps(other))
    generator = np.random.default_rng(3)
    feeds = {name: generator.standard_normal(shape).astype(ml_dtypes.bfloat16)
             for name, shape in {"x": (64, 128), "w": (128, 64), "v": (64, 96), "b": (96,)}.items()}
    x, w, v, b = (feeds[name].astype(np.float64) for name in "xwvb")
    z = x @ w @ v + b
    expected = z / 2 * (1 + np.vectorize(math.erf)(z / math.sqrt(2)))
    program = package.compile(str(model), target="cuda:sm_90a", emulate=True, sanitize=True, tuned=str(tuned))
    assert all("3 stages" in kernel["reason"] for kernel in program.report["kernels"])
    error = program(feeds)["y"].astype(np.float64) - expected
    assert np.linalg.norm(error) < 2e-2 * np.linalg.norm(expected)
    assert program.findings == ""


def test_products_in_even_shares(tmp_path):
    """Stream-K: blocks of the grid that share blocks of a product; run after run, and as a recorded graph."""
    model, tuned = two_products(tmp_path / "m.onnx"), tmp_path / "tuned.json"
    assert bessemer("tune", model, TARGET, "--emulate", "--candidates=1", "--rounds=1", "-o", tuned, timeout=300).code == 0
    streamed = json.loads(tuned.read_text())
    for entry in streamed["products"]:
        grid, blocks = (3, 4) if entry["product"]["columns"] == 64 else (5, 6)
        entry["schedule"] = {"instruction": "mma_half", "block_rows": 32, "block_columns": 32, "block_depth": 32, "warp_rows": 1,
                             "warp_columns": 1, "stages": 2, "grid_blocks": grid, "streamed_blocks": blocks}
    tuned.write_text(json.dumps(streamed))
    program = package.compile(str(model), target="cuda:sm_90a", emulate=True, sanitize=True, tuned=str(tuned))
    assert [re.search(r"(\d+) of the blocks in even shares for (\d+)", kernel["reason"]).groups() for kernel in program.report["kernels"]] == [
        ("4", "3"), ("6", "5")]
    generator = np.random.default_rng(4)
    for _ in range(4):
        feeds = {name: generator.standard_normal(shape).astype(ml_dtypes.bfloat16)
                 for name, shape in {"x": (64, 128), "w": (128, 64), "v": (64, 96), "b": (96,)}.items()}
        x, w, v, b = (feeds[name].astype(np.float64) for name in "xwvb")
        z = x @ w @ v + b
        expected = z / 2 * (1 + np.vectorize(math.erf)(z / math.sqrt(2)))
        error = program(feeds)["y"].astype(np.float64) - expected
        assert np.linalg.norm(error) < 2e-2 * np.linalg.norm(expected)
    assert program.findings == ""
    # Shares that do not add up to the product are no schedule.
    streamed["products"][0]["schedule"]["streamed_blocks"] = 3
    tuned.write_text(json.dumps(streamed))
    reasons, warnings = kernels_of(model, f"--tuned={tuned}")
    assert "expected as many whole blocks" in warnings
    assert sum("even shares" in reason for reason in reasons) == 1


def test_products_in_parts(tmp_path):
    """Among the candidates of one row and a long depth some cut it; the data says in how many parts."""
    tuned = tmp_path / "tuned.json"
    done = bessemer("tune", "--product=1,64,2048", "--product=8,32,256,f32,tb", TARGET, "--emulate", "--candidates=12", "--rounds=1",
                    "-o", tuned, timeout=300)
    assert done.code == 0, done.text
    parts = next(entry for entry in entries_of(tuned) if entry["product"]["depth"] == 2048)
    assert parts["parts"] > 1 and parts["parts"] * parts["part_depth"] >= 2048
    graph = GraphBuilder("row", opset=20, ir_version=10)
    graph.input("x", ml_dtypes.bfloat16, (1, 2048))
    graph.input("w", ml_dtypes.bfloat16, (2048, 64))
    graph.output(graph.MatMul("x", "w"), "y", ml_dtypes.bfloat16, (1, 64))
    model = tmp_path / "row.onnx"
    model.write_bytes(graph.model().SerializeToString())
    reasons, _ = kernels_of(model, f"--tuned={tuned}")
    assert any(f"tuned: {parts['parts']} parts of {parts['part_depth']} of the depth" in reason for reason in reasons)
    # Not in parts, if that is what was measured.
    parts |= {"parts": 1}
    del parts["part_depth"]
    tuned.write_text(json.dumps({"products": [parts]}))
    assert len(kernels_of(model, f"--tuned={tuned}")[0]) == 1


def test_entries_of_no_use_are_warnings(tmp_path):
    model, tuned = two_products(tmp_path / "m.onnx"), tmp_path / "tuned.json"
    assert bessemer("tune", model, TARGET, "--emulate", "--candidates=1", "--rounds=1", "-o", tuned, timeout=300).code == 0
    data = json.loads(tuned.read_text())
    data["products"][0]["schedule"]["stages"] = 80
    data["products"][1]["schedule"]["new"] = 1
    tuned.write_text(json.dumps(data))
    reasons, warnings = kernels_of(model, f"--tuned={tuned}")
    assert not any("tuned: " in reason for reason in reasons)
    assert "warning: entry 0: expected 2 to 8 stages, got 80; the cost model chooses" in warnings
    assert "warning: entry 1: unknown entry 'new' of a schedule; the cost model chooses" in warnings
    tuned.write_text("no JSON")
    reasons, warnings = kernels_of(model, f"--tuned={tuned}")
    assert "warning: expected a JSON object with a list of 'products'; the cost model chooses" in warnings
    done = bessemer("explain", model, TARGET, f"--tuned={tmp_path / 'none.json'}")
    assert done.code == 2 and "--tuned: cannot read" in done.text
    # Nor is such a file written over.
    done = bessemer("tune", model, TARGET, "--emulate", "--candidates=1", "--rounds=1", "-o", tuned, timeout=300)
    assert done.code == 2 and "nothing was written" in done.text and tuned.read_text() == "no JSON"


def test_a_pack_is_measured_elsewhere_and_merged(tmp_path):
    """Without a GPU the programs of the pack are put in place by ones of the host: everything but the driver."""
    pack, results, tuned = tmp_path / "pack", tmp_path / "results.json", tmp_path / "tuned.json"
    done = bessemer("tune", "--product=64,96,128", TARGET, "--candidates=3", "--rounds=3", f"--pack={pack}", timeout=300)
    assert done.code == 0, done.text
    manifest = json.loads((pack / "manifest.json").read_text())
    [entry] = manifest["products"]
    assert len(entry["candidates"]) == 3 and entry["copies"] == 64
    assert all((pack / candidate["program"]).stat().st_size > 1000 for candidate in entry["candidates"])
    runner = [sys.executable, ROOT / "bench" / "gpu" / "tune.py", pack, f"--results={results}"]
    if not any("NVIDIA" in line for line in subprocess.run(["ldconfig", "-p"], capture_output=True, text=True, check=False).stdout.splitlines()
               if "libcuda.so" in line):
        done = subprocess.run(runner, capture_output=True, text=True, check=False, timeout=120)
        assert done.returncode == 1

    def on_the_host(scale):
        graph = GraphBuilder("host", opset=20, ir_version=10)
        graph.input("x", ml_dtypes.bfloat16, (64, 128))
        graph.input("w0", ml_dtypes.bfloat16, (128, 96))
        product = graph.MatMul("x", "w0")
        graph.output(graph.Mul(product, graph.constant(scale, ml_dtypes.bfloat16)) if scale != 1 else product, "y0",
                     ml_dtypes.bfloat16, (64, 96))
        return package.compile(graph.model().SerializeToString())

    entry["copies"] = 1
    (pack / "manifest.json").write_text(json.dumps(manifest))
    for candidate in entry["candidates"]:
        on_the_host(1).save(pack / candidate["program"])
    done = subprocess.run(runner, capture_output=True, text=True, check=False, timeout=120)
    assert done.returncode == 0, done.stderr + done.stdout
    [measured] = json.loads(results.read_text())["products"]
    assert all(c["seconds"] > 0 and c["difference"] == 0 and not c["error"] for c in measured["candidates"])
    done = bessemer("tune", f"--merge={results}", TARGET, "-o", tuned)
    assert done.code == 0 and "64 x 96 x 128 mma_half: " in done.text, done.text
    [kept] = entries_of(tuned)
    assert kept["seconds"] >= 0.99 * min(c["seconds"] for c in measured["candidates"])
    assert kept["model"] == measured["candidates"][0]["text"]
    # A candidate with another answer is an error, and is not taken.
    on_the_host(2).save(pack / entry["candidates"][1]["program"])
    done = subprocess.run(runner, capture_output=True, text=True, check=False, timeout=120)
    assert done.returncode == 1 and "WRONG by " in done.stdout
    wrong = json.loads(results.read_text())
    wrong["products"][0]["candidates"][1]["seconds"] = 1e-12
    results.write_text(json.dumps(wrong))
    done = bessemer("tune", f"--merge={results}", TARGET, "-o", tuned)
    assert done.code == 1 and "its answer differs from that of the first candidate by" in done.text
    [kept] = entries_of(tuned)
    assert kept["seconds"] > 1e-9
    # For another target.
    done = bessemer("tune", f"--merge={results}", "--target=cuda:sm_80", "-o", tuned)
    assert done.code == 2 and "expected results for cuda:sm_80" in done.text


def test_the_archive_for_the_gpu_machine(tmp_path):
    """The candidates of bench/gpu's products, with all that measures them."""
    out = tmp_path / "tune.tar.gz"
    subprocess.run([sys.executable, ROOT / "bench" / "gpu" / "make_archive.py", "--tune", "--size=small", "--candidates=1", "-o", out],
                   check=True, timeout=600)
    with tarfile.open(out) as archive:
        names = set(archive.getnames())
        manifest = json.load(archive.extractfile("tune/pack/manifest.json"))
    assert {"tune/tune.py", "tune/bessemer/__init__.py", "tune/bessemer/libbessemer-runtime.so"} <= names
    products = [tuple(entry["product"][size] for size in ("rows", "columns", "depth")) for entry in manifest["products"]]
    assert len(set(products)) == len(products) and {(128, 96, 96), (40, 160, 64), (40, 64, 160), (48, 56, 40)} <= set(products)
    for entry in manifest["products"]:
        assert all(f"tune/pack/{candidate['program']}" in names for candidate in entry["candidates"])


@pytest.mark.parametrize("arguments,message", [
    (["--product=64,96", TARGET, "-o", "t.json"], "--product: expected ROWS,COLUMNS,DEPTH and any of"),
    (["--product=64,96,0", TARGET, "-o", "t.json"], "--product: expected ROWS,COLUMNS,DEPTH and any of"),
    (["--product=64,96,128,i8", TARGET, "-o", "t.json"], "--product: expected ROWS,COLUMNS,DEPTH and any of"),
    (["--product=64,96,128", "-o", "t.json"], "--target: expected a GPU"),
    (["--product=64,96,128", TARGET], "expected -o FILE for the schedules, or --pack=DIR"),
    ([TARGET, "-o", "t.json"], "expected MODEL.onnx or --product to measure, or --merge alone"),
    (["--merge=none.json", TARGET, "-o", "t.json"], "cannot read 'none.json'"),
    (["none.onnx", TARGET, "-o", "t.json"], "none.onnx"),
])
def test_requests_that_are_refused(arguments, message, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    done = bessemer("tune", *arguments)
    assert done.code == 2 and message in done.text, done.text


def test_products_of_unknown_size_are_named(tmp_path):
    model, tuned = two_products(tmp_path / "m.onnx", rows="rows"), tmp_path / "tuned.json"
    done = bessemer("tune", model, TARGET, "--emulate", "-o", tuned)
    assert done.code == 2 and "2 kernels of products have a size that is not known: bind it with --dim" in done.text
    done = bessemer("tune", model, TARGET, "--emulate", "--dim=rows=32", "--candidates=2", "--rounds=1", "-o", tuned, timeout=300)
    assert done.code == 0 and {e["product"]["rows"] for e in entries_of(tuned)} == {32}


def test_what_the_compiler_has_of_its_own_is_of_use():
    """lib/Driver/Tuned: an entry that no longer fits is a warning in each compilation."""
    for path in sorted((ROOT / "lib" / "Driver" / "Tuned").glob("*.json")):
        data = json.loads(path.read_text())
        assert data["target"] == path.stem.replace("-", ":", 1)
        for entry in data["products"]:
            assert entry["device"] not in ("", "emulator") and entry["seconds"] > 0 and entry["date"]


def test_the_schedules_travel_with_the_module(tmp_path):
    """What the passes read is in the text of the module: bessemer-opt does what the compiler does."""
    model, tuned = two_products(tmp_path / "m.onnx"), tmp_path / "tuned.json"
    assert bessemer("tune", model, TARGET, "--emulate", "--candidates=1", "--rounds=1", "-o", tuned, timeout=300).code == 0
    fused = tmp_path / "m.mlir"
    assert bessemer("compile", model, TARGET, f"--tuned={tuned}", "--compile-to=fuse", "-o", fused).code == 0
    assert "bess.tuned" in fused.read_text()
    done = opt(fused, "--bessemer-phase-tile")
    assert done.code == 0 and done.text.count("tuned: ") >= 2
    assert np.count_nonzero(["bess.product" in line for line in done.text.splitlines()]) == 2
