# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""scripts/new-pass and scripts/new-op write TableGen that parses, and overwrite nothing."""

import pathlib
import shutil
import subprocess
import sys

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
TBLGEN = "/usr/lib/llvm-22/bin/mlir-tblgen"


def call(script, tmp_path, *arguments):
    return subprocess.run([sys.executable, str(ROOT / "scripts" / script), "--root", str(tmp_path), *arguments],
                          capture_output=True, text=True)


def tblgen(tmp_path, source, *options):
    done = subprocess.run([TBLGEN, *options, "-I/usr/lib/llvm-22/include", f"-I{tmp_path}", source],
                          cwd=tmp_path, capture_output=True, text=True)  # includes are looked up here first
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_new_pass_declares_into_a_new_and_an_existing_phase(tmp_path):
    for name in ("FuseEpilogues", "CutLoops"):
        done = call("new-pass", tmp_path, "Fuse", name, "a sentence")
        assert done.returncode == 0, done.stderr
    declarations = tblgen(tmp_path, "passes/Fuse/Passes.td", "-gen-pass-decls", "-name=Fuse")
    assert "bessemer-fuse-epilogues" in declarations and "bessemer-cut-loops" in declarations
    assert (tmp_path / "test/lit/Fuse/cut-loops.mlir").exists()


def compile_in(tmp_path, source):
    """The object's symbols; headers of tmp_path go before those of the project."""
    llvm = "/usr/lib/llvm-22/include"
    done = subprocess.run(["clang++-22", "-std=c++20", "-fno-rtti", "-O0", "-c", source, "-o", "out.o", "-I.", f"-I{ROOT}",
                           f"-I{ROOT / 'include'}", f"-I{ROOT / 'build'}", f"-I{ROOT / 'build' / 'include'}", "-isystem", llvm],
                          cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-4000:]
    return subprocess.run(["nm", "-C", "out.o"], cwd=tmp_path, capture_output=True, text=True, check=True).stdout


@pytest.mark.parametrize("phase", ["Fuse", "Simplify"])
def test_a_new_pass_of_a_phase_that_is_there_builds(tmp_path, phase):
    shutil.copytree(ROOT / "passes" / phase, tmp_path / "passes" / phase)
    assert call("new-pass", tmp_path, phase, "CutLoops", "a sentence").returncode == 0
    header = tmp_path / "passes" / phase / "Passes.h.inc"
    header.write_text(tblgen(tmp_path, f"passes/{phase}/Passes.td", "-gen-pass-decls", f"-name={phase}"))
    symbols = compile_in(tmp_path, f"passes/{phase}/CutLoops.cpp")
    # Made where the header of the phase declares it, so that it links.
    namespace = "bessemer" if phase == "Fuse" else "bessemer::simplify"
    assert f" T {namespace}::createBessemerCutLoops()" in symbols


def test_new_pass_overwrites_nothing(tmp_path):
    call("new-pass", tmp_path, "Fuse", "CutLoops", "a sentence")
    source = tmp_path / "passes/Fuse/CutLoops.cpp"
    source.write_text("mine")
    assert call("new-pass", tmp_path, "Fuse", "CutLoops", "a sentence").returncode != 0
    assert source.read_text() == "mine"


def test_new_op_is_an_op_of_the_dialect(tmp_path):
    shutil.copytree(ROOT / "dialects", tmp_path / "dialects")
    for kind in ("structured", "composite", "opaque"):
        done = call("new-op", tmp_path, f"new_{kind}", "a sentence", "--class", kind, "--operands", "a", "b")
        assert done.returncode == 0, done.stderr
    declarations = tblgen(tmp_path, "dialects/Bess/BessOps.td", "-gen-op-decls", "-dialect=bess")
    assert "class NewCompositeOp" in declarations
    (tmp_path / "dialects/Bess/BessOps.h.inc").write_text(declarations)
    symbols = compile_in(tmp_path, "dialects/Bess/NewStructuredOp.cpp")
    for name in ("inferReturnTypes", "getLoopKinds", "getIndexingMaps", "getOpsPerPoint"):
        assert f" T bessemer::bess::NewStructuredOp::{name}(" in symbols
    assert "NewOpaqueOp::inferReturnTypes" in compile_in(tmp_path, "dialects/Bess/NewOpaqueOp.cpp")


def test_new_op_refuses_a_name_that_is_taken(tmp_path):
    shutil.copytree(ROOT / "dialects", tmp_path / "dialects")
    done = call("new-op", tmp_path, "matmul", "a sentence", "--class", "opaque")
    assert done.returncode != 0 and "matmul" in done.stderr
