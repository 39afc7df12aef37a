# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""The two sides of a differential test: `bessemer run` in a process of its own, and ONNX Runtime in a process that
may crash (some of the models are illegal) and is started again."""

import dataclasses
import multiprocessing
import pathlib
import resource
import subprocess

import numpy as np
import onnx
from onnx import TensorProto

ROOT = pathlib.Path(__file__).resolve().parents[2]
BESSEMER = ROOT / "build" / "bin" / "bessemer"
MEMORY_LIMIT = 8 << 30
GUARD = "internal error ("  # what the crash guard of the tool prints in place of a signal


@dataclasses.dataclass
class Ended:
    kind: str  # ran, failed, refused, crash, hang
    text: str
    outputs: list


def file_name(output):
    return "".join(c if c.isascii() and (c.isalnum() or c in "_.-") else "_" for c in output) + ".npy"


def save_inputs(folder, inputs):
    """Files that `bessemer run --input` reads, and the arguments that name them."""
    arguments = []
    for index, (name, value) in enumerate(inputs.items()):
        if isinstance(value, TensorProto):
            path = folder / f"input_{index}.pb"
            path.write_bytes(value.SerializeToString())
        else:
            path = folder / f"input_{index}.npy"
            np.save(path, value)
        arguments += ["--input", f"{name}={path}"]
    return arguments


def run_bessemer(model, inputs, output_names, folder, binary=BESSEMER, timeout=60, options=()):
    """Compiles and runs a model; its own or the guard's word for a crash is a crash, and so is any other exit."""
    path = folder / "model.onnx"
    path.write_bytes(model)
    for old in folder.glob("out/*.npy"):
        old.unlink()
    command = [str(binary), "run", str(path), "--threads", "1", "--outputs", str(folder / "out"), *options,
               *save_inputs(folder, inputs)]

    def limit():
        # ASan reserves terabytes of addresses; only the product's own build is held to the limit.
        if "asan" not in str(binary):
            resource.setrlimit(resource.RLIMIT_AS, (MEMORY_LIMIT, MEMORY_LIMIT))
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))

    try:
        done = subprocess.run(command, capture_output=True, timeout=timeout, stdin=subprocess.DEVNULL,
                              preexec_fn=limit, check=False)
    except subprocess.TimeoutExpired as expired:
        return Ended("hang", ((expired.stderr or b"")).decode(errors="replace"), [])
    text = (done.stderr + done.stdout).decode(errors="replace")
    if done.returncode not in (0, 1, 2) or GUARD in text or "Sanitizer" in text or "runtime error:" in text:
        return Ended("crash", f"exit {done.returncode}: {text}", [])
    if done.returncode:
        return Ended("failed" if done.returncode == 1 else "refused", text, [])
    return Ended("ran", text, [np.load(folder / "out" / file_name(name)) for name in output_names])


def _serve(pipe):
    import onnxruntime as ort
    ort.set_default_logger_severity(4)
    while True:
        try:
            model, inputs = pipe.recv()
        except EOFError:
            return
        try:
            options = ort.SessionOptions()
            options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_DISABLE_ALL
            options.intra_op_num_threads = options.inter_op_num_threads = 1
            session = ort.InferenceSession(model, options, providers=["CPUExecutionProvider"])
            pipe.send((session.run(None, inputs), ""))
        except Exception as error:  # pylint: disable=broad-except  (whatever it says is its answer)
            pipe.send((None, str(error)))


class OnnxRuntime:
    """`run` gives the outputs, or None and what ONNX Runtime says against the model."""

    def __init__(self):
        self.process = None

    def start(self):
        context = multiprocessing.get_context("spawn")
        self.pipe, other = context.Pipe()
        self.process = context.Process(target=_serve, args=(other,), daemon=True)
        self.process.start()
        other.close()

    def run(self, model, inputs, timeout=30):
        if any(isinstance(value, TensorProto) for value in inputs.values()):
            return None, "a type that NumPy lacks"
        if not self.process or not self.process.is_alive():
            self.start()
        try:
            self.pipe.send((model, inputs))
            if self.pipe.poll(timeout):
                return self.pipe.recv()
        except (EOFError, OSError):
            self.process.join()
            return None, "ONNX Runtime crashed"
        self.process.kill()
        self.process.join()
        return None, "ONNX Runtime hangs"


def difference(expected, got, tolerance=1e-3):
    """A sentence on where two answers differ; empty where they agree."""
    if not isinstance(expected, np.ndarray) or expected.dtype.kind not in "fiubc":
        return ""  # strings and sequences
    if expected.dtype != got.dtype and expected.dtype.itemsize == got.dtype.itemsize and got.dtype.kind == "V":
        return ""
    if expected.shape != got.shape or expected.dtype != got.dtype:
        return f"expected {expected.dtype}{list(expected.shape)}, got {got.dtype}{list(got.shape)}"
    if expected.size == 0:
        return ""
    with np.errstate(all="ignore"):
        if expected.dtype.kind in "fc":
            wide = np.complex128 if expected.dtype.kind == "c" else np.float64
            a, b = expected.astype(wide), got.astype(wide)
            if expected.dtype == np.float16:
                tolerance = max(tolerance, 1e-2)
            finite = np.abs(a[np.isfinite(a)])
            scale = tolerance * (np.abs(a) + 0.1 * max(1.0, float(finite.max()) if finite.size else 1.0))
            bad = ~((np.abs(a - b) <= scale) | (a == b) | (np.isnan(a) & np.isnan(b)))
        else:
            # A quantized value may be rounded the other way.
            slack = 1 if expected.dtype.itemsize == 1 and expected.dtype.kind in "iu" else 0
            bad = np.abs(expected.astype(object) - got.astype(object)) > slack
    if not bad.any():
        return ""
    where = tuple(int(i) for i in np.argwhere(bad)[0])
    return (f"{int(bad.sum())} of {bad.size} elements differ, first at {where}: expected {expected[where]}, "
            f"got {got[where]}")


def reference(model, inputs):
    """ONNX's own evaluator as a third opinion; None where it has none."""
    from onnx.reference import ReferenceEvaluator
    try:
        with np.errstate(all="ignore"):
            return ReferenceEvaluator(onnx.load_model_from_string(model)).run(None, inputs)
    except Exception:  # pylint: disable=broad-except
        return None
