# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Compiles ONNX models to native code and runs them.

    import bessemer
    encode = bessemer.compile("minilm.onnx", dims={"batch": 1})
    [hidden] = encode(ids, mask, types)                       # arrays in, list of arrays out
    result = encode({"input_ids": ids, "attention_mask": mask, "token_type_ids": types})   # dict in, dict out
    encode.save("minilm.bsm")
    encode = bessemer.load("minilm.bsm")

Inputs are NumPy arrays or anything that speaks DLPack; outputs are NumPy arrays. Every failure raises a
`bessemer.Error` with the compiler's or the runtime's own sentence.
"""

from ._errors import BadFile, BadInput, Cancelled, Error, Failed, InvalidArgument, OutOfMemory, Unsupported
from ._cache import BoundSteps, Cache
from ._compile import compile, supported_nodes
from ._device import DeviceArray
from ._custom import SameAs, register_op, unregister_op
from ._program import Argument, BoundRun, Program, load, time_programs
from ._library import version

__version__ = version()

__all__ = [
    "Argument", "BadFile", "BadInput", "BoundRun", "BoundSteps", "Cache", "Cancelled", "DeviceArray", "Error", "Failed", "InvalidArgument", "OutOfMemory", "Program",
    "SameAs", "Unsupported", "compile", "load", "register_op", "supported_nodes", "time_programs", "unregister_op", "version",
]
