#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Compiles the cases of bench/gpu and packs them with all that the GPU machine needs: no LLVM, no compiler there.

    bench/gpu/make_archive.py                       build/bench/gpu-cuda-sm_90a.tar.gz
    # there, with PyTorch, NumPy and an NVIDIA driver:
    tar xzf gpu-cuda-sm_90a.tar.gz && python3 gpu/run.py --results results.json

What cannot be compiled is in the archive as its diagnostic, and run.py prints it.
"""

import argparse
import json
import pathlib
import shutil
import subprocess
import sys
import tarfile

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT / "python"), str(ROOT / "test" / "models"), str(pathlib.Path(__file__).parent)]

# pylint: disable=wrong-import-position
import bessemer  # noqa: E402
import cases  # noqa: E402
import models  # noqa: E402


def add_case(case, target, folder):
    """What run.py is told of one case."""
    entry = {"case": case.name, "programs": {}}
    model = folder / "model.onnx"
    for length in case.lengths:
        name = f"{len(list(folder.glob('*.bsm')))}.bsm"
        model.write_bytes(case.model(length))
        done = subprocess.run([ROOT / "build" / "bin" / "bessemer", "compile", model, "-o", folder / name, f"--target={target}"],
                              capture_output=True, text=True, check=False)
        model.unlink()
        if done.returncode:
            return {"case": case.name, "refused": done.stderr.strip()}
        entry["programs"][length] = name
    return entry


def add_model(model, target, folder):
    """The same of a whole model. Its weights lie beside the program; they are made again where it runs."""
    if not (folder / model.weights.location).exists():
        model.weights.write(folder)
    # The model goes along, by a name beside the program: it holds the tables that are no weights (a causal mask).
    name = f"{len(list(folder.glob('*.bsm')))}.bsm"
    path = pathlib.Path(name).with_suffix(".onnx")
    (folder / path).write_bytes(model.onnx())
    dims = [f"--dim={symbol}{value if value.startswith('<') else '=' + value}" for symbol, value in model.dims.items()]
    done = subprocess.run([ROOT / "build" / "bin" / "bessemer", "compile", path, "-o", name, f"--target={target}", *dims],
                          cwd=folder, capture_output=True, text=True, check=False)
    return {"case": model.name, **({"refused": done.stderr.strip()} if done.returncode else {"program": name})}


def make_archive(target, size, out):
    chosen = getattr(cases, size)()
    out.parent.mkdir(parents=True, exist_ok=True)
    folder = out.parent / (out.name + ".d")
    shutil.rmtree(folder, ignore_errors=True)
    package, programs = folder / "gpu" / "bessemer", folder / "gpu" / "programs"
    programs.mkdir(parents=True)
    shutil.copytree(ROOT / "python" / "bessemer", package, ignore=shutil.ignore_patterns("__pycache__", "*.so"))
    shutil.copy(ROOT / "build" / "lib" / "libbessemer-runtime.so", package)
    for file in ("cases.py", "kernels.py", "models.py", "run.py", "run_models.py"):
        shutil.copy(pathlib.Path(__file__).parent / file, folder / "gpu")
    entries = [add_case(case, target, programs) for case in chosen]
    whole = [add_model(model, target, programs) for model in getattr(models, size)()]
    for weights in programs.glob("*.weights"):
        weights.unlink()
    manifest = {"target": target, "size": size, "version": bessemer.version(), "cases": entries, "models": whole}
    (folder / "gpu" / "manifest.json").write_text(json.dumps(manifest, indent=1))
    with tarfile.open(out, "w:gz") as archive:
        archive.add(folder / "gpu", "gpu")
    shutil.rmtree(folder)
    return manifest


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--target", default="cuda:sm_90a")
    parser.add_argument("--size", choices=("full", "small"), default="full")
    parser.add_argument("-o", "--output", type=pathlib.Path)
    arguments = parser.parse_args()
    out = arguments.output or ROOT / "build" / "bench" / f"gpu-{arguments.target.replace(':', '-')}.tar.gz"
    manifest = make_archive(arguments.target, arguments.size, out)
    both = manifest["cases"] + manifest["models"]
    refused = [entry for entry in both if "refused" in entry]
    for entry in refused:
        print(f"{entry['case']}: {entry['refused']}")
    print(f"{out}: {len(both) - len(refused)} cases and models, {out.stat().st_size / 1e6:.1f} MB; {len(refused)} refused")


if __name__ == "__main__":
    main()
