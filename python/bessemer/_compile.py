# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""The compiler: ONNX models to programs."""

import ctypes
import json
import os
import weakref
from ctypes import byref, c_void_p

from . import _library
from ._errors import InvalidArgument, Unsupported
from ._library import LIBRARY, CompileOptions, check
from ._program import Program, load_options


class _Compilation:
    """Handle of a compilation."""

    def __init__(self, handle):
        self._handle = handle
        weakref.finalize(self, LIBRARY.bessemer_compilation_release, c_void_p(handle.value))

    @property
    def diagnostics(self):
        return (LIBRARY.bessemer_compilation_diagnostics(self._handle) or b"").decode("utf-8", "replace")

    @property
    def report(self):
        return json.loads((LIBRARY.bessemer_compilation_report(self._handle) or b"{}").decode("utf-8", "replace"))

    @property
    def findings(self):
        return (LIBRARY.bessemer_compilation_findings(self._handle) or b"").decode("utf-8", "replace")

    def load(self, options):
        handle = c_void_p()
        check(LIBRARY.bessemer_compilation_load(self._handle, byref(options), byref(handle)))
        return handle

    def write(self, path, self_contained):
        check(LIBRARY.bessemer_compilation_write(self._handle, os.fsencode(path), int(self_contained)))


def _dims(dims):
    """{"seq": 128} binds, {"seq": "<=4096"} bounds."""
    items = (_library.Dim * max(len(dims), 1))()
    for item, (name, value) in zip(items, dims.items()):
        exact = True
        if isinstance(value, str):
            exact = not value.startswith("<=")
            text = value if exact else value[2:]
            try:
                value = int(text)
            except ValueError:
                raise InvalidArgument(f"expected a number or '<=NUMBER' for dimension '{name}', got '{text}'") from None
        item.name, item.value, item.exact = name.encode(), int(value), int(exact)
    return items


def _bytes_of(model):
    """Serialized bytes of a model in memory, or None for a path."""
    if isinstance(model, (bytes, bytearray, memoryview)):
        return bytes(model)
    if hasattr(model, "SerializeToString"):  # onnx.ModelProto
        return model.SerializeToString()
    return None


_PROGRESS = ctypes.CFUNCTYPE(ctypes.c_int, c_void_p, ctypes.c_char_p)


def _progress(function, raised):
    """A C callback; what the function raises ends the compilation and is raised again behind it."""
    def call(_user, phase):
        try:
            return int(function(phase.decode()) is False)
        except BaseException as error:  # noqa: BLE001: nothing may pass through C
            raised.append(error)
            return 1

    return _PROGRESS(call)


def _options(target, dims, cpu, threads, numerics, directory, host_weights, memory=None):
    options = CompileOptions(struct_size=ctypes.sizeof(CompileOptions))
    options.target = target.encode()
    options.cpu = cpu.encode() if cpu else None
    options.numerics = numerics.encode() if numerics else None
    options.threads = threads or 0
    options.memory_limit = memory or 0
    options.directory = os.fsencode(directory) if directory else None
    items = _dims(dims or {})
    options.dims, options.dim_count = items, len(dims or {})
    loading, alive = load_options(threads, host_weights, memory)
    options.host_weights, options.host_weight_count = loading.host_weights, loading.host_weight_count
    return options, loading, [items, alive]


def _need_compiler():
    if not _library.WITH_COMPILER:
        raise Unsupported("expected libbessemer.so with the compiler, got the runtime alone")


def compile(model, target="cpu", dims=None, cpu=None, threads=None, numerics=None, directory=None, host_weights=None,
            progress=None, memory=None, allow_fallback=False, emulate=False, sanitize=False, tuned=None):
    """Compiles a model and makes it ready to run.

    model: a path, serialized bytes, or an onnx.ModelProto. dims: {"batch": 1, "seq": "<=512"}; the others stay free.
    cpu: LLVM's name of a processor; None: this machine's. numerics: as with `bessemer compile --numerics`.
    memory: bytes that the arena of a run and the weights in memory may take together; weights that do not fit are read again in
    each run, and where all dims are bound kernels are computed in pieces if it takes that.
    directory: where external weights of a model in memory are; host_weights: arrays for them, by
    location (NumPy, DLPack or bytes; they are used where they are and kept alive). progress: called with the name of
    each phase as it begins; when it returns False, the compilation ends with bessemer.Cancelled.
    target: "cpu", "cuda:sm_80" or "cuda:sm_90a". allow_fallback: ops that a GPU has no code for run on the host. emulate: kernels run
    in an emulator, no GPU is needed; sanitize: it looks for races and reads of what nobody wrote, see Program.findings.
    tuned: a file of measured schedules of a GPU's matrix products; None: the compiler's own; "none": its cost model alone.
    """
    _need_compiler()
    options, loading, alive = _options(target, dims, cpu, threads, numerics, directory, host_weights, memory)
    options.allow_fallback, options.emulate, options.sanitize = int(allow_fallback), int(emulate), int(sanitize)
    options.tuned = None if tuned is None else os.fsencode(tuned)
    handle = c_void_p()
    raised = []
    if progress is not None:
        callback = _progress(progress, raised)
        options.progress = ctypes.cast(callback, c_void_p)
    data = _bytes_of(model)
    if data is not None:
        status = LIBRARY.bessemer_compile_memory(data, len(data), byref(options), byref(handle))
        alive.append(data)  # inline weights are used where they are
    else:
        status = LIBRARY.bessemer_compile_file(os.fsencode(model), byref(options), byref(handle))
    compilation = _Compilation(handle) if handle.value else None
    if raised:
        raise raised[0]
    check(status, compilation.diagnostics if compilation and status else "")
    return Program(compilation.load(loading), keep=alive, compilation=compilation)


def supported_nodes(model, target="cpu", dims=None, cpu=None, directory=None):
    """Which nodes of a model can be compiled: {"nodes": 12, "unsupported": [{"index", "name", "op", "reason"}]}."""
    _need_compiler()
    options, _, alive = _options(target, dims, cpu, None, None, directory, None)
    data = _bytes_of(model)
    if data is None:
        with open(model, "rb") as file:
            data = file.read()
    text = c_void_p()
    check(LIBRARY.bessemer_supported_nodes(data, len(data), byref(options), byref(text)))
    del alive
    try:
        return json.loads(ctypes.string_at(text.value).decode("utf-8", "replace"))
    finally:
        LIBRARY.bessemer_free(text)
