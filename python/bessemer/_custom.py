# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Ops that the host computes: kernels and result types in Python.

    def infer(attributes, x):                 # x: (dtype, shape); an unknown dimension is a bessemer.SameAs
        return [x]
    def kernel(attributes, inputs, outputs):  # NumPy arrays; the outputs are written into
        np.multiply(inputs[0], attributes["by"], out=outputs[0])
    bessemer.register_op("com.example.Scale", kernel, infer)
"""

import ctypes
import json
import threading
import traceback
from ctypes import CFUNCTYPE, POINTER, c_char_p, c_size_t, c_void_p
from typing import NamedTuple

import numpy as np

from . import _library
from ._arrays import dtype_name, dtype_number, numpy_dtype
from ._errors import InvalidArgument, Unsupported
from ._library import LIBRARY, MAX_RANK, Tensor, check

_FUNCTION = CFUNCTYPE(c_void_p, c_void_p, c_char_p, POINTER(Tensor), c_size_t, POINTER(Tensor), c_size_t)


class SameAs(NamedTuple):
    """A dimension that is not known when compiling: dimension `dim` of input `input`."""

    input: int
    dim: int


def _guarded(body):
    """A C callback. What the body raises becomes its sentence, which must outlive the call."""
    sentences = []

    def call(_user, attributes, inputs, input_count, outputs, output_count):
        try:
            body(json.loads(attributes.decode("utf-8", "replace")), inputs[:input_count],
                 [outputs[i] for i in range(output_count)])
            return None
        except BaseException as error:  # noqa: BLE001: nothing may pass through C
            text = traceback.format_exception_only(error)[-1].strip()
            sentences[:] = [ctypes.create_string_buffer(text.encode())]
            return ctypes.addressof(sentences[0])

    return _FUNCTION(call)


def _array(tensor):
    dtype = numpy_dtype(tensor.dtype)
    shape = tuple(tensor.shape[:tensor.rank])
    count = int(np.prod(shape, dtype=np.int64))
    if count == 0:
        return np.empty(shape, dtype)
    strides = tuple(s * dtype.itemsize for s in tensor.strides[:tensor.rank]) if tensor.has_strides else None
    size = count if strides is None else 1 + sum((extent - 1) * stride // dtype.itemsize
                                                 for extent, stride in zip(shape, strides))
    memory = (ctypes.c_byte * (size * dtype.itemsize)).from_address(tensor.data)
    return np.ndarray(shape, dtype, memory, strides=strides)


def _infer(function):
    def body(attributes, inputs, outputs):
        given = []
        for i, tensor in enumerate(inputs):
            if tensor.dtype == 0:
                given.append(None)  # an operand that the node leaves out
                continue
            shape = tuple(extent if extent >= 0 else SameAs(i, d) for d, extent in enumerate(tensor.shape[:tensor.rank]))
            given.append((dtype_name(tensor.dtype), shape))
        results = function(attributes, *given)
        if len(results) < len(outputs):
            raise ValueError(f"expected {len(outputs)} results, got {len(results)}")
        for tensor, (dtype, shape) in zip(outputs, results):
            if len(shape) > MAX_RANK:
                raise ValueError(f"expected a rank of at most {MAX_RANK}, got {len(shape)}")
            tensor.dtype = dtype_number(dtype)
            tensor.rank = len(shape)
            for d, extent in enumerate(shape):
                if extent is None:
                    tensor.shape[d] = -1
                elif isinstance(extent, SameAs):
                    tensor.shape[d] = -2 - (extent.input * MAX_RANK + extent.dim)
                else:
                    tensor.shape[d] = int(extent)

    return _guarded(body)


def _kernel(function):
    pending = threading.local()

    def body(attributes, inputs, outputs):
        arrays = [_array(tensor) if tensor.dtype else None for tensor in inputs]
        opened = [any(extent < 0 for extent in tensor.shape[:tensor.rank]) for tensor in outputs]
        call = [tensor.data for tensor in inputs]
        if not any(opened):
            targets = [_array(tensor) for tensor in outputs]
            kept, pending.call, pending.made = getattr(pending, "call", None), None, getattr(pending, "made", {})
            if kept == call and all(targets[i].shape == made.shape for i, made in pending.made.items()):
                for i, made in pending.made.items():
                    targets[i][...] = made
            else:
                function(attributes, arrays, targets)
            return
        # Asked for shapes first. The function gives arrays for what has no memory yet; they are copied in the second
        # call, which comes at once and on the same thread, so that nothing is computed twice.
        targets = [None if is_open else _array(tensor) for tensor, is_open in zip(outputs, opened)]
        function(attributes, arrays, targets)
        pending.made = {}
        for i, (tensor, is_open) in enumerate(zip(outputs, opened)):
            if not is_open:
                continue
            made = np.asarray(targets[i], dtype=numpy_dtype(tensor.dtype))
            if made.ndim != tensor.rank:
                raise ValueError(f"result {i}: expected rank {tensor.rank}, got {made.ndim}")
            tensor.shape[:tensor.rank] = made.shape
            pending.made[i] = made
        pending.call = call

    return _guarded(body)


_alive = {}  # callbacks, by name; a program that is still loaded may call those that were replaced
_replaced = []


def register_op(name, kernel, infer=None):
    """Registers an op by its domain and type ("com.example.MyOp"), for models compiled and programs loaded from now on.

    kernel(attributes, inputs, outputs) computes it: lists of NumPy arrays, None for an input that the node leaves
    out; it writes into the outputs. For an output with a dimension that `infer` gave as None there is no array yet:
    the kernel puts one into its place in `outputs`.
    infer(attributes, *inputs) gives the result types as a list of (dtype, shape) from those of the inputs. A dimension
    is a number, a SameAs of an input (what an unknown dimension of an input is given as), or None: only the kernel
    tells. infer is not needed to load artifacts. What either raises becomes the error of the compilation or the run.
    """
    if not callable(kernel) or not (infer is None or callable(infer)):
        raise InvalidArgument("expected functions for the kernel and for the types")
    if infer is not None and not _library.WITH_COMPILER:
        raise Unsupported("expected libbessemer.so with the compiler, got the runtime alone")
    callbacks = (_kernel(kernel), _infer(infer) if infer else None)
    check(LIBRARY.bessemer_register_op(name.encode(), callbacks[0], None))
    if infer is not None:
        check(LIBRARY.bessemer_register_op_types(name.encode(), callbacks[1], None))
    if name in _alive:
        _replaced.append(_alive[name])
    _alive[name] = callbacks


def unregister_op(name):
    """Forgets an op; programs that are loaded keep it."""
    check(LIBRARY.bessemer_register_op(name.encode(), _FUNCTION(), None))
    if _library.WITH_COMPILER:
        check(LIBRARY.bessemer_register_op_types(name.encode(), _FUNCTION(), None))
    if name in _alive:
        _replaced.append(_alive.pop(name))
