# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""NumPy arrays to and from tensors of the C API."""

import ctypes

import numpy as np

from ._dlpack import from_dlpack
from ._errors import BadInput
from ._library import LIBRARY, MAX_RANK, Tensor

_NUMPY = {
    1: np.float32, 2: np.uint8, 3: np.int8, 4: np.uint16, 5: np.int16, 6: np.int32, 7: np.int64, 9: np.bool_,
    10: np.float16, 11: np.float64, 12: np.uint32, 13: np.uint64, 14: np.complex64, 15: np.complex128,
}
_NAMES = {
    1: "float32", 2: "uint8", 3: "int8", 4: "uint16", 5: "int16", 6: "int32", 7: "int64", 8: "string", 9: "bool",
    10: "float16", 11: "float64", 12: "uint32", 13: "uint64", 14: "complex64", 15: "complex128", 16: "bfloat16",
    17: "float8_e4m3fn", 18: "float8_e4m3fnuz", 19: "float8_e5m2", 20: "float8_e5m2fnuz", 21: "uint4", 22: "int4",
    23: "float4_e2m1fn", 24: "float8_e8m0fnu", 25: "uint2", 26: "int2",
}
_SMALL = {16, 17, 18, 19, 20, 24}  # those of ml_dtypes that take whole bytes
_BITS = {21: 4, 22: 4, 23: 4, 25: 2, 26: 2}
_NUMBERS = {np.dtype(type_): number for number, type_ in _NUMPY.items()}


def dtype_name(number):
    """"float32" for 1."""
    return _NAMES.get(number, "undefined")


def dtype_number(dtype):
    """1 for "float32", np.float32 or anything else that NumPy takes for it."""
    name = dtype if isinstance(dtype, str) else np.dtype(dtype).name
    for number, known in _NAMES.items():
        if known == name:
            return number
    raise BadInput(f"expected an element type, got {dtype!r}")


def numpy_dtype(number):
    """The NumPy type of a number of ONNX; packed types give bytes, uint8."""
    if number in _NUMPY:
        return np.dtype(_NUMPY[number])
    if number in _SMALL:
        try:
            import ml_dtypes
            return np.dtype(getattr(ml_dtypes, _NAMES[number]))
        except (ImportError, AttributeError):
            return np.dtype(np.uint16 if number == 16 else np.uint8)
    if number in _BITS:
        return np.dtype(np.uint8)
    raise BadInput(f"expected a type that NumPy can hold, got {dtype_name(number)}")


def as_array(value):
    """An array without a copy where that is possible; DLPack for what is not NumPy's."""
    if isinstance(value, (np.ndarray, np.generic)):
        return np.asarray(value)
    if hasattr(value, "__dlpack__"):
        return from_dlpack(value)
    return np.asarray(value)


def fill(tensor, array, argument):
    """Points a C tensor at an array; returns what must stay alive until the run is over."""
    array = as_array(array)
    wanted = numpy_dtype(argument.dtype_number)
    packed = argument.dtype_number in _BITS
    if array.dtype != wanted:
        raise BadInput(f"input '{argument.name}': expected {argument.dtype}, got {array.dtype}")
    if packed:
        raise BadInput(f"input '{argument.name}': packed {argument.dtype} arrays are not supported")
    if not array.dtype.isnative:
        array = array.astype(array.dtype.newbyteorder("="))
    if array.ndim > MAX_RANK:
        raise BadInput(f"input '{argument.name}': expected a rank of at most {MAX_RANK}, got {array.ndim}")
    item = array.dtype.itemsize
    if not array.flags.c_contiguous and any(stride % item for stride in array.strides):
        array = np.ascontiguousarray(array)
    tensor.dtype = argument.dtype_number
    tensor.rank = array.ndim
    tensor.shape[:array.ndim] = array.shape
    tensor.has_strides = 0
    if not array.flags.c_contiguous:
        tensor.has_strides = 1
        tensor.strides[:array.ndim] = [stride // item for stride in array.strides]
    tensor.data = array.ctypes.data
    return array


class _Owner:
    """Memory that the runtime made; it goes back when the last array on it is gone."""

    def __init__(self, tensor, interface):
        self._tensor = tensor
        self.__array_interface__ = interface

    def __del__(self, release=LIBRARY.bessemer_tensor_release, byref=ctypes.byref):
        release(byref(self._tensor))  # as defaults: at exit modules are emptied before objects


def take(tensor):
    """An array on an output that the runtime made; it takes the memory over."""
    number = tensor.dtype
    shape = tuple(tensor.shape[:tensor.rank])
    dtype = numpy_dtype(number)
    if number in _BITS:
        count = int(np.prod(shape, dtype=np.int64))
        shape = ((count * _BITS[number] + 7) // 8,)
    own = Tensor()
    ctypes.pointer(own)[0] = tensor
    interface = {"version": 3, "shape": shape, "typestr": f"|V{dtype.itemsize}" if number in _SMALL else dtype.str,
                 "data": (tensor.data, False)}
    array = np.asarray(_Owner(own, interface))
    return array.view(dtype) if number in _SMALL else array
