# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""The state of a decoder: buffers that its runs append to."""

import numpy as np

from ._arrays import numpy_dtype
from ._device import DeviceArray
from ._errors import BadInput, InvalidArgument


class Cache:
    """Buffers for the caches of a program (past and present), with room for `capacity` places; a run appends in place.

        cache = bessemer.Cache(program, capacity=1024, batch=1)
        logits = cache.run({"input_ids": prompt, ...})["logits"]
        logits = cache.run({"input_ids": token, ...})["logits"]

    dims: values of the other named dimensions of the caches. length: places that are taken. on_device: the buffers
    are in the GPU's memory and never leave it.
    """

    def __init__(self, program, capacity, on_device=False, **dims):
        if not program.caches:
            raise InvalidArgument("expected a program that appends to caches, got one without")
        self.program = program
        self.capacity = capacity
        self.length = 0
        self.buffers = {}
        inputs = {argument.name: argument for argument in program.inputs}
        for past, _, axis in program.caches:
            shape = [dims.get(extent, extent) for extent in inputs[past].shape]
            shape[axis] = capacity
            unknown = [extent for extent in shape if not isinstance(extent, int)]
            if unknown:
                raise InvalidArgument(f"input '{past}': expected values for the dimensions {unknown}, got none")
            zeros = np.zeros(shape, numpy_dtype(inputs[past].dtype_number))
            self.buffers[past] = program.to_device(zeros) if on_device else zeros

    def _part(self, past, axis, length):
        if isinstance(self.buffers[past], DeviceArray):
            return self.buffers[past].first(axis, length)
        return self.buffers[past][(slice(None),) * axis + (slice(length),)]

    def run(self, inputs):
        """Runs the program on `inputs` (a dict without the caches) and appends; gives the other outputs, by name."""
        feeds = dict(inputs)
        for past, _, axis in self.program.caches:
            feeds[past] = self._part(past, axis, self.length)
        shapes = self.program.output_shapes(feeds)
        out = [None] * len(self.program.outputs)
        names = [argument.name for argument in self.program.outputs]
        length = self.length
        for past, present, axis in self.program.caches:
            length = shapes[present][axis]
            if length > self.capacity:
                raise BadInput(f"output '{present}': expected at most {self.capacity} places, the capacity, got {length}")
            out[names.index(present)] = self._part(past, axis, length)
        results = self.program(feeds, out=out)
        self.length = length
        appended = {present for _, present, _ in self.program.caches}
        return {name: value for name, value in results.items() if name not in appended}
