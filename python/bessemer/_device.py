# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Tensors in a GPU's memory: inputs and outputs that are not copied, to and from frameworks by DLPack."""

import ctypes
import math
from ctypes import CFUNCTYPE, PYFUNCTYPE, c_char_p, c_int, c_void_p, py_object

import numpy as np

from ._arrays import as_array, dtype_name, numpy_dtype
from ._dlpack import _Tensor, _pointer
from ._errors import BadInput
from ._library import LIBRARY, MAX_RANK, Tensor, check

_CUDA = 2  # kDLCUDA
# (code, bits) of DLPack by the number of ONNX
_DLPACK = {1: (2, 32), 2: (1, 8), 3: (0, 8), 4: (1, 16), 5: (0, 16), 6: (0, 32), 7: (0, 64), 9: (6, 8), 10: (2, 16), 11: (2, 64),
           12: (1, 32), 13: (1, 64), 14: (5, 64), 15: (5, 128), 16: (4, 16), 17: (10, 8), 18: (11, 8), 19: (12, 8), 20: (13, 8),
           24: (14, 8)}
_NUMBERS = {kind: number for number, kind in _DLPACK.items()}


class DeviceArray:
    """A tensor in the memory of a program's GPU (or of the emulated one). Made by `Program.to_device` and by runs with
    `on_device=True`; goes back to the device when nobody looks at it any more. An input and an output of the same program."""

    def __init__(self, program, tensor, keep):
        self._program = program
        self._tensor = tensor
        self._keep = keep

    @property
    def shape(self):
        return tuple(self._tensor.shape[:self._tensor.rank])

    @property
    def dtype(self):
        return dtype_name(self._tensor.dtype)

    def numpy(self):
        """A copy on the host."""
        if self._tensor.has_strides:
            raise BadInput("expected a contiguous tensor on the device, got a part of one")
        array = np.empty(self.shape, numpy_dtype(self._tensor.dtype))
        check(LIBRARY.bessemer_read_tensor(self._program._context, ctypes.byref(self._tensor), array.ctypes.data, array.nbytes))
        return array

    def first(self, axis, length):
        """The first `length` places along an axis, in the same memory: a cache with room for more, see bessemer.Cache."""
        shape = list(self.shape)
        strides = [math.prod(shape[d + 1:]) for d in range(len(shape))]
        shape[axis] = length
        part = _copy(self._tensor)
        part.shape[:part.rank] = shape
        part.has_strides = 1
        part.strides[:part.rank] = strides
        return DeviceArray(self._program, part, self)

    def __dlpack_device__(self):
        return (_CUDA, 0)

    def __dlpack__(self, stream=None, max_version=None, dl_device=None, copy=None):
        """All of it is there when a run has returned: whatever the stream, there is nothing to wait for."""
        if copy or (dl_device is not None and tuple(dl_device) != (_CUDA, 0)):
            raise BufferError("expected no copy, on the same device")
        return _export(self)

    def __repr__(self):
        return f"DeviceArray({self.dtype}, {self.shape})"


def _copy(tensor):
    own = Tensor()
    ctypes.pointer(own)[0] = tensor
    return own


class _Memory:
    """Gives memory that the runtime made back."""

    def __init__(self, tensor):
        self._tensor = _copy(tensor)

    def __del__(self, release=LIBRARY.bessemer_tensor_release, byref=ctypes.byref):
        release(byref(self._tensor))


def take_on_device(program, tensor):
    """A DeviceArray on an output that the runtime made."""
    return DeviceArray(program, _copy(tensor), _Memory(tensor))


def to_device(program, value):
    array = np.ascontiguousarray(as_array(value))
    number = next((n for n in _DLPACK if dtype_name(n) == array.dtype.name), None)
    if number is None or array.ndim > MAX_RANK:
        raise BadInput(f"expected numbers of a type that a tensor has, rank {MAX_RANK} at most, got {array.dtype}, {array.ndim}")
    tensor = Tensor(dtype=number, rank=array.ndim, place=1)
    tensor.shape[:array.ndim] = array.shape
    check(LIBRARY.bessemer_write_tensor(program._context, ctypes.byref(tensor), array.ctypes.data, array.nbytes))
    return take_on_device(program, tensor)


def fill_on_device(tensor, value, argument):
    """Points a C tensor at a value that lies on the device; returns what must stay alive until the run is over, None for
    a value of the host."""
    if isinstance(value, DeviceArray):
        given = value._tensor
        number, rank, shape, address = given.dtype, given.rank, value.shape, given.data
        strides, alive = given.strides[:rank] if given.has_strides else None, value
    else:
        given, alive = _view_of(value, argument)
        if given is None:
            return None
        number = _NUMBERS.get((given.code, given.bits), 0)
        rank, shape, address = given.ndim, tuple(given.shape[:given.ndim]), (given.data or 0) + given.byte_offset
        strides = given.strides[:rank] if given.strides else None
        if strides and _is_packed(shape, strides):
            strides = None
    if number != argument.dtype_number:
        raise BadInput(f"'{argument.name}': expected {argument.dtype}, got {dtype_name(number)}")
    if rank > MAX_RANK:
        raise BadInput(f"'{argument.name}': expected a rank of at most {MAX_RANK}, got {rank}")
    tensor.dtype, tensor.rank, tensor.place, tensor.data = number, rank, 1, address
    tensor.shape[:rank] = shape
    tensor.has_strides = int(strides is not None)
    if strides is not None:
        tensor.strides[:rank] = strides
    return alive


def _is_packed(shape, strides):
    expected = 1
    for size, stride in zip(reversed(shape), reversed(strides)):
        if size != 1 and stride != expected:
            return False
        expected *= size
    return True


def _view_of(value, argument):
    """(the DLPack tensor, what keeps it alive), with all that the framework was asked for before in front of a run; (None,
    None) for one of the host."""
    if isinstance(value, np.ndarray) or not hasattr(value, "__dlpack_device__"):
        return None, None
    exchange = _exchange_of(type(value))
    if exchange is not None:
        given = exchange.describe(value)
        if given.device_type != _CUDA:
            return None, None
        if exchange.works_on_default_stream():
            return given, value
    elif int(value.__dlpack_device__()[0]) != _CUDA:
        return None, None
    # Stream 1 is the legacy default stream, which a run waits for.
    try:
        alive = value.__dlpack__(stream=1)
    except (BufferError, RuntimeError, TypeError, ValueError) as error:
        raise BadInput(f"'{argument.name}': expected a DLPack tensor that can be read on the device, got: {error}") from None
    return _Tensor.from_address(_pointer(alive, b"dltensor")), alive


# ---- DLPack ---------------------------------------------------------------------------

class _ExchangeTable(ctypes.Structure):
    """DLPackExchangeAPI of DLPack 1.3."""
    _fields_ = [("major", ctypes.c_uint32), ("minor", ctypes.c_uint32), ("previous", c_void_p), ("allocate", c_void_p),
                ("managed_from_object", c_void_p), ("managed_to_object", c_void_p), ("tensor_from_object", c_void_p),
                ("current_stream", c_void_p)]


class _Exchange:
    """A framework's table of C functions. `__dlpack__` takes 10 us a tensor in PyTorch, and a decoder has 50 of them."""

    def __init__(self, table):
        self._tensor = PYFUNCTYPE(c_int, py_object, ctypes.POINTER(_Tensor))(table.tensor_from_object)
        self._stream = PYFUNCTYPE(c_int, c_int, ctypes.c_int32, ctypes.POINTER(c_void_p))(table.current_stream)

    def describe(self, value):
        """Valid as long as `value` is, and unchanged."""
        tensor = _Tensor()
        self._tensor(value, ctypes.byref(tensor))
        return tensor

    def works_on_default_stream(self):
        stream = c_void_p()
        self._stream(_CUDA, 0, ctypes.byref(stream))
        return (stream.value or 0) in (0, 1)


_EXCHANGES = {}


def _exchange_of(kind):
    """Of a type of tensors; None where it has no table that we know."""
    if kind not in _EXCHANGES:
        capsule, found = getattr(kind, "__dlpack_c_exchange_api__", None), None
        if capsule is not None:
            pointer = _pointer(capsule, b"dlpack_exchange_api")
            table = _ExchangeTable.from_address(pointer) if pointer else None
            if table is not None and table.major == 1 and table.tensor_from_object and table.current_stream:
                found = _Exchange(table)
        _EXCHANGES[kind] = found
    return _EXCHANGES[kind]


class _Managed(ctypes.Structure):
    pass


_Managed._fields_ = [("tensor", _Tensor), ("context", c_void_p), ("deleter", CFUNCTYPE(None, c_void_p))]
_exported = {}  # by address of the struct: what a consumer has not given back yet


@CFUNCTYPE(None, c_void_p)
def _forget(address):
    _exported.pop(address, None)


@CFUNCTYPE(None, c_void_p)
def _destroy_capsule(capsule):
    """A capsule that nobody consumed keeps its name."""
    valid = ctypes.pythonapi.PyCapsule_IsValid
    valid.restype, valid.argtypes = c_int, [c_void_p, c_char_p]
    if valid(capsule, b"dltensor"):
        get = ctypes.PYFUNCTYPE(c_void_p, c_void_p, c_char_p)(("PyCapsule_GetPointer", ctypes.pythonapi))
        _exported.pop(get(capsule, b"dltensor"), None)


def _export(array):
    if array._tensor.dtype not in _DLPACK:
        raise BufferError(f"expected a type that DLPack has, got {array.dtype}")
    rank = array._tensor.rank
    shape = (ctypes.c_int64 * max(rank, 1))(*array.shape)
    strides = (ctypes.c_int64 * max(rank, 1))(*array._tensor.strides[:rank]) if array._tensor.has_strides else None
    code, bits = _DLPACK[array._tensor.dtype]
    managed = _Managed()
    managed.tensor = _Tensor(data=array._tensor.data, device_type=_CUDA, ndim=rank, code=code, bits=bits, lanes=1, shape=shape)
    if strides is not None:
        managed.tensor.strides = strides
    managed.deleter = _forget
    address = ctypes.addressof(managed)
    _exported[address] = (managed, array, shape, strides)
    new = ctypes.pythonapi.PyCapsule_New
    new.restype, new.argtypes = py_object, [c_void_p, c_char_p, c_void_p]
    return new(address, b"dltensor", ctypes.cast(_destroy_capsule, c_void_p))
