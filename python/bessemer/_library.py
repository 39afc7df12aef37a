# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""The C API (include/bessemer/runtime.h and compile.h) through ctypes.

The shared library is looked for beside this file and in build/lib of the source tree: libbessemer.so with the
compiler, else libbessemer-runtime.so, which can only load and run.
"""

import ctypes
import pathlib
from ctypes import POINTER, c_char, c_char_p, c_double, c_int, c_int32, c_int64, c_size_t, c_void_p

from ._errors import BY_STATUS, Error

MAX_RANK = 16


class Tensor(ctypes.Structure):
    _fields_ = [
        ("dtype", c_int32), ("rank", c_int32), ("shape", c_int64 * MAX_RANK), ("strides", c_int64 * MAX_RANK),
        ("has_strides", c_int32), ("place", c_int32), ("data", c_void_p), ("capacity", c_int64), ("owner", c_void_p),
    ]


class Argument(ctypes.Structure):
    _fields_ = [
        ("name", c_char_p), ("dtype", c_int32), ("rank", c_int32), ("shape", c_int64 * MAX_RANK),
        ("dims", c_char_p * MAX_RANK),
    ]


class CachePair(ctypes.Structure):
    _fields_ = [("input", c_size_t), ("output", c_size_t), ("axis", c_int32), ("reserved", c_int32)]


class Timing(ctypes.Structure):
    _fields_ = [("seconds", c_double), ("low", c_double), ("high", c_double), ("difference", c_double), ("error", c_char * 232)]


class ThreadPool(ctypes.Structure):
    _fields_ = [("threads", c_int32), ("parallel", c_void_p), ("user", c_void_p)]


class Allocator(ctypes.Structure):
    _fields_ = [("allocate", c_void_p), ("release", c_void_p), ("user", c_void_p)]


class HostWeight(ctypes.Structure):
    _fields_ = [("key", c_char_p), ("data", c_void_p), ("bytes", c_int64)]


class LoadOptions(ctypes.Structure):
    _fields_ = [
        ("struct_size", c_size_t), ("threads", c_int32), ("check_all_weights", c_int32), ("thread_pool", ThreadPool),
        ("allocator", Allocator), ("host_weights", POINTER(HostWeight)), ("host_weight_count", c_size_t),
        ("weight_folder", c_char_p), ("memory_limit", c_int64), ("pool_limit", c_int64),
    ]


class Dim(ctypes.Structure):
    _fields_ = [("name", c_char_p), ("value", c_int64), ("exact", c_int32)]


class CompileOptions(ctypes.Structure):
    _fields_ = [
        ("struct_size", c_size_t), ("target", c_char_p), ("cpu", c_char_p), ("dims", POINTER(Dim)),
        ("dim_count", c_size_t), ("numerics", c_char_p), ("threads", c_int32), ("no_kernels", c_int32),
        ("directory", c_char_p), ("host_weights", POINTER(HostWeight)), ("host_weight_count", c_size_t),
        ("progress", c_void_p), ("progress_user", c_void_p), ("memory_limit", c_int64),
        ("allow_fallback", c_int32), ("emulate", c_int32), ("sanitize", c_int32), ("reserved", c_int32),
        ("tuned", c_char_p),
    ]


_RUNTIME = {
    "bessemer_last_error": (c_char_p, []),
    "bessemer_version": (c_char_p, []),
    "bessemer_load_file": (c_int, [c_char_p, POINTER(LoadOptions), POINTER(c_void_p)]),
    "bessemer_load_memory": (c_int, [c_void_p, c_size_t, POINTER(LoadOptions), POINTER(c_void_p)]),
    "bessemer_program_release": (None, [c_void_p]),
    "bessemer_input_count": (c_size_t, [c_void_p]),
    "bessemer_output_count": (c_size_t, [c_void_p]),
    "bessemer_input": (c_int, [c_void_p, c_size_t, POINTER(Argument)]),
    "bessemer_output": (c_int, [c_void_p, c_size_t, POINTER(Argument)]),
    "bessemer_cache_count": (c_size_t, [c_void_p]),
    "bessemer_cache_at": (c_int, [c_void_p, c_size_t, POINTER(CachePair)]),
    "bessemer_weight_bytes": (c_int64, [c_void_p]),
    "bessemer_context_create": (c_int, [c_void_p, POINTER(c_void_p)]),
    "bessemer_context_release": (None, [c_void_p]),
    "bessemer_output_shapes": (c_int, [c_void_p, POINTER(Tensor), c_size_t, POINTER(Tensor), c_size_t]),
    "bessemer_arena_bytes": (c_int, [c_void_p, POINTER(Tensor), c_size_t, POINTER(c_int64)]),
    "bessemer_run": (c_int, [c_void_p, POINTER(Tensor), c_size_t, POINTER(Tensor), c_size_t]),
    "bessemer_read_tensor": (c_int, [c_void_p, POINTER(Tensor), c_void_p, c_int64]),
    "bessemer_write_tensor": (c_int, [c_void_p, POINTER(Tensor), c_void_p, c_int64]),
    "bessemer_device_counts_json": (c_char_p, [c_void_p]),
    "bessemer_device_name": (c_char_p, [c_void_p]),
    "bessemer_time_programs": (c_int, [POINTER(c_void_p), c_size_t, c_int32, c_void_p]),
    "bessemer_tensor_release": (None, [POINTER(Tensor)]),
    "bessemer_cancel": (None, [c_void_p]),
    "bessemer_set_profiling": (None, [c_void_p, c_int]),
    "bessemer_profile_json": (c_char_p, [c_void_p]),
    "bessemer_clear_profile": (None, [c_void_p]),
    "bessemer_register_op": (c_int, [c_char_p, c_void_p, c_void_p]),
}

_COMPILER = {
    "bessemer_compile_file": (c_int, [c_char_p, POINTER(CompileOptions), POINTER(c_void_p)]),
    "bessemer_compile_memory": (c_int, [c_void_p, c_size_t, POINTER(CompileOptions), POINTER(c_void_p)]),
    "bessemer_compilation_release": (None, [c_void_p]),
    "bessemer_compilation_diagnostics": (c_char_p, [c_void_p]),
    "bessemer_compilation_report": (c_char_p, [c_void_p]),
    "bessemer_compilation_findings": (c_char_p, [c_void_p]),
    "bessemer_compilation_load": (c_int, [c_void_p, POINTER(LoadOptions), POINTER(c_void_p)]),
    "bessemer_compilation_write": (c_int, [c_void_p, c_char_p, c_int]),
    "bessemer_compilation_write_memory": (c_int, [c_void_p, c_int, POINTER(c_void_p), POINTER(c_size_t)]),
    "bessemer_register_op_types": (c_int, [c_char_p, c_void_p, c_void_p]),
    "bessemer_free": (None, [c_void_p]),
    "bessemer_supported_nodes": (c_int, [c_void_p, c_size_t, POINTER(CompileOptions), POINTER(c_void_p)]),
}


def _folders():
    here = pathlib.Path(__file__).resolve().parent
    return [here, here.parent.parent / "build" / "lib"]


def _declare(library, functions):
    for name, (result, arguments) in functions.items():
        function = getattr(library, name)
        function.restype = result
        function.argtypes = arguments


def _open():
    tried = []
    for name in ("libbessemer.so", "libbessemer-runtime.so"):
        for folder in _folders():
            path = folder / name
            tried.append(str(path))
            if not path.exists():
                continue
            library = ctypes.CDLL(str(path))
            _declare(library, _RUNTIME)
            with_compiler = hasattr(library, "bessemer_compile_file")
            if with_compiler:
                _declare(library, _COMPILER)
            return library, with_compiler
    raise ImportError("expected the shared library of Bessemer at one of: " + ", ".join(tried))


LIBRARY, WITH_COMPILER = _open()


def check(status, detail=""):
    """Raises the exception of a status, with the library's sentence (and `detail`, lines of diagnostics)."""
    if status == 0:
        return
    text = LIBRARY.bessemer_last_error().decode("utf-8", "replace")
    if detail and detail.strip() != text.strip():
        text = (text + "\n" + detail).strip()
    raise BY_STATUS.get(status, Error)(text)


def version():
    """Version of the library, "0.1.0"."""
    return LIBRARY.bessemer_version().decode()
