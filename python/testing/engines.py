# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Bessemer and ONNX Runtime behind one face: engine(feeds) -> {output name: array}.

    engine = make_engine("bessemer", "build/models/minilm.onnx", threads=2)
    answers = engine({"input_ids": ..., "attention_mask": ..., "token_type_ids": ...})
"""

import importlib
import pathlib
import re
import subprocess
import sys
import tempfile

import numpy as np

ROOT = pathlib.Path(__file__).resolve().parents[2]
TOOL = ROOT / "build" / "bin" / "bessemer"
PACKAGE_PATHS = (ROOT / "build" / "python", ROOT / "python")


class EngineError(RuntimeError):
    """The model was refused, or the run failed; the text is the tool's own diagnostic."""


def interface(path):
    """Names of the inputs and of the outputs of a model; weights are not read."""
    import onnx
    graph = onnx.load(str(path), load_external_data=False).graph
    weights = {tensor.name for tensor in graph.initializer}
    return [v.name for v in graph.input if v.name not in weights], [v.name for v in graph.output]


def bessemer_package():
    """The Python package, or None while it is not built."""
    for path in map(str, PACKAGE_PATHS):
        if path not in sys.path:
            sys.path.append(path)
    try:
        package = importlib.import_module("bessemer")
    except ImportError:
        return None
    library = getattr(package, "_library", None)  # beside the runtime alone there is nothing that compiles
    return package if getattr(library, "WITH_COMPILER", True) else None


class BessemerPackage:
    """Compiled once by bessemer.compile; each call runs the program in this process."""

    def __init__(self, path, threads=None, dims=None):
        self.inputs, self.outputs = interface(path)
        options = {"target": "cpu", "dims": dims or {}}
        if threads is not None:
            options["threads"] = threads
        self.function = bessemer_package().compile(str(path), **options)
        self.function.prepare()

    def __call__(self, feeds):
        answers = self.function({name: feeds[name] for name in self.inputs})
        if isinstance(answers, dict):
            return answers
        if isinstance(answers, np.ndarray):
            answers = [answers]
        return dict(zip(self.outputs, answers))


class BessemerTool:
    """`bessemer run` on files: a process for each call. Good enough for tests, useless for timing.

    The model is compiled to a .bsm first, so that several calls show that one program serves all shapes.
    """

    def __init__(self, path, threads=None, dims=None):
        self.inputs, self.outputs = interface(path)
        self.threads = [] if threads is None else ["--threads", str(threads)]
        self.folder = tempfile.TemporaryDirectory(prefix="bessemer-")
        self.program = pathlib.Path(self.folder.name) / "model.bsm"
        dims = [f"--dim={name}={size}" for name, size in (dims or {}).items()]
        self._tool("compile", str(path), "-o", str(self.program), *dims)

    def _tool(self, *arguments):
        done = subprocess.run([str(TOOL), *arguments], capture_output=True, text=True)
        if done.returncode:
            raise EngineError(f"bessemer {arguments[0]} ended with {done.returncode}:\n{done.stderr[-4000:]}")

    def __call__(self, feeds):
        with tempfile.TemporaryDirectory(dir=self.folder.name) as folder:
            folder = pathlib.Path(folder)
            options = []
            for index, name in enumerate(self.inputs):
                file = folder / f"in_{index}.npy"
                np.save(file, feeds[name])
                options += ["--input", f"{name}={file}"]
            self._tool("run", str(self.program), *options, "--outputs", str(folder / "out"), *self.threads)
            return {name: self._load(folder / "out", index, name) for index, name in enumerate(self.outputs)}

    @staticmethod
    def _load(folder, index, name):
        for stem in (name, re.sub(r"[^A-Za-z0-9_.-]", "_", name), f"output_{index}"):
            file = folder / f"{stem}.npy"
            if file.exists():
                return np.load(file)
        raise EngineError(f"bessemer run wrote no file for output {name}: {sorted(p.name for p in folder.glob('*'))}")


class OnnxRuntime:
    """The reference, and the rival: all optimizations on."""

    def __init__(self, path, threads=None, dims=None):
        import onnxruntime
        options = onnxruntime.SessionOptions()
        options.log_severity_level = 3
        options.inter_op_num_threads = 1
        if threads is not None:
            options.intra_op_num_threads = threads
        for name, size in (dims or {}).items():
            options.add_free_dimension_override_by_name(name, size)
        self.session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
        self.inputs = [value.name for value in self.session.get_inputs()]
        self.outputs = [value.name for value in self.session.get_outputs()]

    def __call__(self, feeds):
        return dict(zip(self.outputs, self.session.run(None, {name: feeds[name] for name in self.inputs})))


def make_engine(name, path, threads=None, dims=None):
    if name == "onnxruntime":
        return OnnxRuntime(path, threads, dims)
    if name != "bessemer":
        raise ValueError(f"expected bessemer or onnxruntime, got {name}")
    if bessemer_package():
        return BessemerPackage(path, threads, dims)
    if not TOOL.exists():
        raise EngineError(f"neither the Python package bessemer nor {TOOL} is built; run scripts/build")
    return BessemerTool(path, threads, dims)


def worst_error(answer, reference, absolute=1e-4, relative=1e-3):
    """The largest error in units of what is allowed; up to 1 is right. An element may err by either bound."""
    answer, reference = np.asarray(answer), np.asarray(reference)
    if answer.shape != reference.shape or answer.dtype != reference.dtype:
        raise AssertionError(f"expected {reference.dtype}{list(reference.shape)}, got {answer.dtype}{list(answer.shape)}")
    if reference.dtype.kind not in "fc":
        return 0.0 if np.array_equal(answer, reference) else np.inf
    if not reference.size:
        return 0.0
    answer, reference = answer.astype(np.float64), reference.astype(np.float64)
    # Equal infinities are right, and so is NaN for NaN; NaN or infinity for a number is not.
    same = (answer == reference) | (np.isnan(answer) & np.isnan(reference))
    with np.errstate(invalid="ignore"):
        allowed = np.maximum(absolute, relative * np.abs(reference))
        error = np.where(same, 0.0, np.nan_to_num(np.abs(answer - reference) / allowed, nan=np.inf, posinf=np.inf))
    return float(error.max())
