# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""One exception for each status of the C API."""


class Error(RuntimeError):
    """Base of all: str(error) is what the library says."""


class InvalidArgument(Error, ValueError):
    """An unknown name, a wrong count."""


class BadFile(Error):
    """An unreadable or damaged model, artifact or weight file."""


class Unsupported(Error):
    """A version, target, instruction set or op that is not supported here."""


class BadInput(Error, ValueError):
    """An array's dtype or shape is not what the program expects."""


class OutOfMemory(Error, MemoryError):
    """No memory for the arena, a weight or an output."""


class Cancelled(Error):
    """The run was cancelled."""


class Failed(Error):
    """The program itself failed while it ran."""


BY_STATUS = {1: InvalidArgument, 2: BadFile, 3: Unsupported, 4: BadInput, 5: OutOfMemory, 6: Cancelled, 7: Failed}
