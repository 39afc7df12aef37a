# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""An archive of bench/gpu runs away from the tree, with the runtime alone: here one for the CPU, as there is no GPU."""

import json
import os
import subprocess
import sys
import tarfile

import pytest

from testing.engines import ROOT


@pytest.fixture(name="archive", scope="module")
def unpacked_archive(tmp_path_factory):
    folder = tmp_path_factory.mktemp("archive")
    subprocess.run([sys.executable, ROOT / "bench" / "gpu" / "make_archive.py", "--target=cpu", "--size=small", "-o",
                    folder / "gpu.tar.gz"], check=True, timeout=300)
    with tarfile.open(folder / "gpu.tar.gz") as archive:
        archive.extractall(folder)
    return folder / "gpu"


def run(archive, *arguments):
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    return subprocess.run([sys.executable, archive / "run.py", *arguments], cwd=archive, env=environment, capture_output=True,
                          text=True, timeout=300, check=False)


def test_every_case_is_checked_and_timed(archive):
    done = run(archive, "--rounds", "1", "--filter", "1", "--results", archive / "results.json")
    assert done.returncode == 0, done.stdout + done.stderr
    report = json.loads((archive / "results.json").read_text())
    manifest = json.loads((archive / "manifest.json").read_text())
    names = [entry["case"] for entry in manifest["cases"] + manifest["models"] if "1" in entry["case"]]
    assert [row["case"] for row in report["rows"]] == names and "BERT 2 x 64, 2 x 16 float16" in names
    assert all(row["seconds"]["torch"] > 0 and row["ratio"] > 0 and not row["wrong"] for row in report["rows"])


def test_a_case_that_fails_takes_only_itself_along(archive):
    """A kernel that hangs or faults leaves a device of no use to its process."""
    known = (archive / "cases.py").read_text()
    assert "return functional.rms_norm(" in known and "return functional.layer_norm(" in known
    (archive / "cases.py").write_text(known.replace("return functional.rms_norm(", "import time; time.sleep(1000); return functional.rms_norm(")
                                      .replace("return functional.layer_norm(", "import os; os._exit(9); return functional.layer_norm("))
    done = run(archive, "--check-only", "--filter", "norm|softmax", "--timeout", "10", "--results", archive / "results.json")
    (archive / "cases.py").write_text(known)
    assert done.returncode == 1, done.stdout + done.stderr
    rows = json.loads((archive / "results.json").read_text())["rows"]
    assert [row["case"].split()[0] for row in rows] == ["rms_norm", "layer_norm", "softmax", "softmax"]
    assert [row.get("failed") for row in rows] == ["no answer in 10.0 s", "the process ended with exit code 9", None, None]


def test_a_wrong_answer_is_found(archive):
    known = (archive / "cases.py").read_text()
    assert "functional.softmax(x, -1)" in known
    (archive / "cases.py").write_text(known.replace("functional.softmax(x, -1)", "functional.softmax(2 * x, -1)"))
    whole = (archive / "models.py").read_text()
    assert 'functional.gelu(linear(x, f"{i}.up"))' in whole
    (archive / "models.py").write_text(whole.replace('functional.gelu(linear(x, f"{i}.up"))', 'linear(x, f"{i}.up")'))
    done = run(archive, "--check-only")
    (archive / "cases.py").write_text(known)
    (archive / "models.py").write_text(whole)
    assert done.returncode == 1, done.stdout + done.stderr
    assert [line.split()[0] for line in done.stdout.splitlines() if "WRONG" in line] == ["softmax", "softmax", "BERT"]
