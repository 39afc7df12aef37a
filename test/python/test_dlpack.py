# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""DLPack inputs of the types that NumPy does not have, as torch shows them: a capsule made by hand."""

import ctypes

import ml_dtypes
import numpy as np
import pytest
from onnx import TensorProto, helper

import bessemer
from bessemer._dlpack import _Tensor

BFLOAT, E4M3, E4M3FN, E5M2 = 4, 8, 10, 12  # DLDataTypeCode


class ManagedTensor(ctypes.Structure):
    _fields_ = [("tensor", _Tensor), ("context", ctypes.c_void_p), ("deleter", ctypes.CFUNCTYPE(None, ctypes.c_void_p))]


class Foreign:
    """The bytes of `array` under another name; NumPy's own reader refuses the code."""

    def __init__(self, array, code, bits, skip=0):
        self.array, self.code, self.bits, self.skip, self.kept = array, code, bits, skip, []

    def __dlpack_device__(self):
        return (1, 0)

    def __dlpack__(self, **options):
        if options:
            raise TypeError("this producer is older than max_version")
        managed = ManagedTensor()
        shape = (ctypes.c_int64 * self.array.ndim)(*self.array.shape)
        shape[0] -= self.skip
        strides = (ctypes.c_int64 * self.array.ndim)(*(s // self.array.itemsize for s in self.array.strides))
        managed.tensor = _Tensor(self.array.ctypes.data, 1, 0, self.array.ndim, self.code, self.bits, 1, shape, strides,
                                 self.skip * self.array.strides[0])
        self.kept.append((managed, shape, strides))
        new = ctypes.pythonapi.PyCapsule_New
        new.restype, new.argtypes = ctypes.py_object, [ctypes.c_void_p, ctypes.c_char_p, ctypes.c_void_p]
        return new(ctypes.addressof(managed), b"dltensor", None)


def widening(onnx_type):
    graph = helper.make_graph([helper.make_node("Cast", ["x"], ["y"], name="widen", to=TensorProto.FLOAT)], "widen",
                              [helper.make_tensor_value_info("x", onnx_type, ["n", 3])],
                              [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["n", 3])])
    return bessemer.compile(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 19)], ir_version=9))


@pytest.mark.parametrize("onnx_type, dtype, code", [(TensorProto.BFLOAT16, ml_dtypes.bfloat16, BFLOAT),
                                                    (TensorProto.FLOAT8E4M3FN, ml_dtypes.float8_e4m3fn, E4M3FN),
                                                    (TensorProto.FLOAT8E5M2, ml_dtypes.float8_e5m2, E5M2)])
def test_small_floats(onnx_type, dtype, code):
    values = np.array([[1, -2.5, 0.375], [448, 0, -0.0], [3, 7, 1.75], [np.nan, 0.5, 2]], np.float32).astype(dtype)
    program = widening(onnx_type)
    for array in (values, np.asfortranarray(values), values[::2]):
        given = Foreign(array, code, 8 * values.itemsize)
        np.testing.assert_array_equal(program(given)[0], array.astype(np.float32))
    np.testing.assert_array_equal(program(Foreign(values, code, 8 * values.itemsize, skip=1))[0], values[1:].astype(np.float32))


def test_a_type_that_onnx_lacks_is_refused():
    """float8_e4m3 has infinities where float8_e4m3fn has numbers."""
    given = Foreign(np.zeros((2, 3), np.uint8), E4M3, 8)
    with pytest.raises(bessemer.BadInput, match="expected a DLPack tensor that the host can read"):
        widening(TensorProto.FLOAT8E4M3FN)(given)
