#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Compiles the cases of bench/gpu and packs them with all that the GPU machine needs: no LLVM, no compiler there.

    bench/gpu/make_archive.py                       build/bench/gpu-cuda-sm_90a.tar.gz
    # there, with PyTorch, NumPy and an NVIDIA driver:
    tar xzf gpu-cuda-sm_90a.tar.gz && python3 gpu/run.py --results results.json

    bench/gpu/make_archive.py --tune                build/bench/tune-cuda-sm_90a.tar.gz: candidates of the cases' products
    tar xzf tune-cuda-sm_90a.tar.gz && python3 tune/tune.py tune/pack --results=results.json
    # and back here:
    build/bin/bessemer tune --merge=results.json --target=cuda:sm_90a -o lib/Driver/Tuned/cuda-sm_90a.json

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


def check_version(package, program):
    """The runtime that goes along must be of the compiler's age. Without a GPU it refuses a program of this version, too,
    but for another reason."""
    code = f"import bessemer\ntry: bessemer.load({str(program)!r})\nexcept bessemer.Error as error: print(error)"
    done = subprocess.run([sys.executable, "-c", code], cwd=package.parent, env={"PYTHONPATH": str(package.parent)},
                          capture_output=True, text=True, check=False)
    if done.returncode or "format version" in done.stdout:
        sys.exit(f"expected a runtime library as new as the compiler (cmake --build build), got: {done.stdout}{done.stderr}")


def begin_folder(out, name, files):
    """A folder with the runtime library and scripts of ours, to be filled and packed."""
    out.parent.mkdir(parents=True, exist_ok=True)
    folder = out.parent / (out.name + ".d")
    shutil.rmtree(folder, ignore_errors=True)
    (folder / name).mkdir(parents=True)
    package = folder / name / "bessemer"
    shutil.copytree(ROOT / "python" / "bessemer", package, ignore=shutil.ignore_patterns("__pycache__", "*.so"))
    shutil.copy(ROOT / "build" / "lib" / "libbessemer-runtime.so", package)
    for file in files:
        shutil.copy(pathlib.Path(__file__).parent / file, folder / name)
    return folder


def products_of(case):
    """The products of a chain's operation as `bessemer tune --product` takes them: rows, columns, depth, type."""
    rows, kind = case.shapes["x"][0], {"float32": "f32", "float16": "f16", "bfloat16": "bf16"}[case.dtype]
    return [f"{rows},{columns},{depth},{kind}" for depth, columns in (case.shapes[name] for name in "wv" if name in case.shapes)]


def make_tune_archive(target, size, candidates, out):
    folder = begin_folder(out, "tune", ["tune.py"])
    products = [product for case in getattr(cases, size)() if case.group == "matmul" for product in products_of(case)]
    subprocess.run([ROOT / "build" / "bin" / "bessemer", "tune", f"--target={target}", f"--candidates={candidates}",
                    f"--pack={folder / 'tune' / 'pack'}", *(f"--product={product}" for product in products)], check=True)
    with tarfile.open(out, "w:gz") as archive:
        archive.add(folder / "tune", "tune")
    shutil.rmtree(folder)


def make_archive(target, size, out):
    chosen = getattr(cases, size)()
    folder = begin_folder(out, "gpu", ["cases.py", "kernels.py", "models.py", "run.py", "run_models.py"])
    programs = folder / "gpu" / "programs"
    programs.mkdir()
    entries = [add_case(case, target, programs) for case in chosen]
    whole = [add_model(model, target, programs) for model in getattr(models, size)()]
    for weights in programs.glob("*.weights"):
        weights.unlink()
    check_version(folder / "gpu" / "bessemer", next(programs.glob("*.bsm")))
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
    parser.add_argument("--tune", action="store_true", help="candidates of `bessemer tune` for the matrix products")
    parser.add_argument("--candidates", type=int, default=8, help="of each product, with --tune")
    arguments = parser.parse_args()
    kind = "tune" if arguments.tune else "gpu"
    out = arguments.output or ROOT / "build" / "bench" / f"{kind}-{arguments.target.replace(':', '-')}.tar.gz"
    if arguments.tune:
        make_tune_archive(arguments.target, arguments.size, arguments.candidates, out)
        print(f"{out}: {out.stat().st_size / 1e6:.1f} MB")
        return
    manifest = make_archive(arguments.target, arguments.size, out)
    both = manifest["cases"] + manifest["models"]
    refused = [entry for entry in both if "refused" in entry]
    for entry in refused:
        print(f"{entry['case']}: {entry['refused']}")
    print(f"{out}: {len(both) - len(refused)} cases and models, {out.stat().st_size / 1e6:.1f} MB; {len(refused)} refused")


if __name__ == "__main__":
    main()
