# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""DLPack tensors as NumPy arrays, also of the types that NumPy itself does not take (bfloat16 of torch, float8)."""

import ctypes
from ctypes import POINTER, c_char_p, c_int32, c_int64, c_uint8, c_uint16, c_uint64, c_void_p, py_object

import numpy as np

from ._errors import BadInput

_CPU_DEVICES = {1, 3, 11, 13}  # kDLCPU and memory that the CPU reads as well: pinned by CUDA, ROCm or managed
_SMALL_TYPES = {(4, 16): "bfloat16", (10, 8): "float8_e4m3fn", (11, 8): "float8_e4m3fnuz",
                (12, 8): "float8_e5m2", (13, 8): "float8_e5m2fnuz", (14, 8): "float8_e8m0fnu"}


class _Tensor(ctypes.Structure):
    _fields_ = [("data", c_void_p), ("device_type", c_int32), ("device_id", c_int32), ("ndim", c_int32), ("code", c_uint8),
                ("bits", c_uint8), ("lanes", c_uint16), ("shape", POINTER(c_int64)), ("strides", POINTER(c_int64)),
                ("byte_offset", c_uint64)]


class _Holder:
    """Memory of a capsule: the capsule's own destructor gives the tensor back when nobody looks any more."""

    def __init__(self, capsule, interface):
        self._capsule = capsule
        self.__array_interface__ = interface


def _pointer(capsule, name):
    get = ctypes.pythonapi.PyCapsule_GetPointer
    get.restype, get.argtypes = c_void_p, [py_object, c_char_p]
    return get(capsule, name)


def _small(value):
    """A tensor of a type of ml_dtypes; None for any other."""
    try:
        import ml_dtypes
        capsule = value.__dlpack__()
        tensor = _Tensor.from_address(_pointer(capsule, b"dltensor"))
    except (ImportError, TypeError, ValueError, AttributeError):
        return None
    name = _SMALL_TYPES.get((tensor.code, tensor.bits))
    if name is None or tensor.lanes != 1 or tensor.device_type not in _CPU_DEVICES or not hasattr(ml_dtypes, name):
        return None
    dtype = np.dtype(getattr(ml_dtypes, name))
    strides = tuple(s * dtype.itemsize for s in tensor.strides[:tensor.ndim]) if tensor.strides else None
    shape = tuple(tensor.shape[:tensor.ndim])
    if 0 in shape or tensor.data is None:
        return np.empty(shape, dtype)
    interface = {"version": 3, "shape": shape, "strides": strides, "typestr": f"|V{dtype.itemsize}",
                 "data": (tensor.data + tensor.byte_offset, True)}
    return np.asarray(_Holder(capsule, interface)).view(dtype)


def from_dlpack(value):
    """Without a copy."""
    device = value.__dlpack_device__()[0] if hasattr(value, "__dlpack_device__") else 1
    if int(device) not in _CPU_DEVICES:
        raise BadInput(f"expected a tensor in the memory of the host, got one on DLPack device type {int(device)}; move it first")
    try:
        return np.from_dlpack(value)
    except (BufferError, RuntimeError, TypeError) as error:
        array = _small(value)
        if array is None:
            raise BadInput(f"expected a DLPack tensor that the host can read, got: {error}") from None
        return array
