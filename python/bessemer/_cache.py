# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""The state of a decoder: buffers that its runs append to."""

import ctypes
import math

import numpy as np

from ._arrays import as_array, numpy_dtype, take
from ._device import DeviceArray, take_on_device
from ._errors import BadInput, InvalidArgument
from ._library import LIBRARY, Tensor, check

_WORDS = ctypes.sizeof(Tensor) // 8
_SHAPE = Tensor.shape.offset // 8  # of a Tensor's words


class Cache:
    """Buffers for the caches of a program (past and present), with room for `capacity` places; a run appends in place.

        cache = bessemer.Cache(program, capacity=1024, batch=1)
        logits = cache.run({"input_ids": prompt, ...})["logits"]
        logits = cache.run({"input_ids": token, ...})["logits"]

    dims: values of the other named dimensions of the caches. length: places that are taken. on_device: the buffers
    are in the GPU's memory and never leave it. A loop of steps costs less of the host with `bind`.
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

    def bind(self, inputs, out=None):
        """Steps on these very arrays (a dict without the caches), whatever they hold: a BoundSteps. Each call runs the program
        and appends. An input with a dimension that grows with the cache (a mask) is given whole, with as many places as it
        will ever have; a step reads the first ones. out: arrays for other outputs, by name; those left out are made by the
        first step, on the device where the caches are there."""
        return BoundSteps(self, inputs, out or {})

    def _over(self, present, length):
        return BadInput(f"output '{present}': expected at most {self.capacity} places, the capacity, got {length}")

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
                raise self._over(present, length)
            out[names.index(present)] = self._part(past, axis, length)
        results = self.program(feeds, out=out)
        self.length = length
        appended = {present for _, present, _ in self.program.caches}
        return {name: value for name, value in results.items() if name not in appended}


def _growth(name, extent, past, known):
    """How many places more than the cache a dimension has ("past + 1"); None for one that does not grow with it."""
    terms = extent.split(" + ") if isinstance(extent, str) else []
    if past not in terms:
        return None
    terms.remove(past)
    values = [int(term) if term.isdecimal() else known.get(term) for term in terms]
    if None in values:
        raise InvalidArgument(f"input '{name}': expected a dimension like '{past} + 1', got '{extent}'")
    return sum(values)


class BoundSteps:
    """Made by Cache.bind. `results`: the outputs that are no caches, by name, which each call writes again. For the thread that
    made it."""

    def __init__(self, cache, inputs, out):
        self._cache = cache
        program = cache.program
        caches, length = program.caches, cache.length
        names = [argument.name for argument in program.outputs]
        feeds = dict(inputs) | {past: cache._part(past, axis, length) for past, _, axis in caches}
        values = program._ordered((feeds,), {})
        first, _, axis = caches[0]
        past = next(argument.shape[axis] for argument in program.inputs if argument.name == first)
        known = {extent: have for argument, value in zip(program.inputs, values)
                 for extent, have in zip(argument.shape, value.shape) if isinstance(extent, str)}
        # (input, dimension, places more than the cache has)
        growing = [(i, d, _growth(argument.name, extent, past, known)) for i, argument in enumerate(program.inputs)
                   for d, extent in enumerate(argument.shape)]
        growing = [entry for entry in growing if entry[2] is not None]
        shapes = [list(value.shape) for value in values]
        self._room = cache.capacity
        for i, d, more in growing:
            if program.inputs[i].name not in cache.buffers and math.prod(shapes[i][:d]) != 1:
                raise InvalidArgument(f"input '{program.inputs[i].name}': expected one row of what grows with the cache, got shape "
                                      f"{tuple(shapes[i])}")
            if program.inputs[i].name not in cache.buffers:
                self._room = min(self._room, shapes[i][d] - more)
            shapes[i][d] = length + more
        self._count = program.output_shapes(*shapes)[caches[0][1]][axis] - length
        parts = [out.get(name) for name in names]
        for past, present, axis in caches:
            parts[names.index(present)] = cache._part(past, axis, length + self._count)
        unknown = [name for name in out if name not in names]
        if unknown:
            raise InvalidArgument(f"expected outputs {names}, got unknown {unknown}")
        on_device = isinstance(cache.buffers[first], DeviceArray)
        self._inputs, self._outputs, self._alive = program._tensors(values, parts, on_device)
        for argument, value, kept in zip(program.inputs, values, self._alive):
            if isinstance(kept, np.ndarray) and kept.ctypes.data != as_array(value).ctypes.data:
                raise BadInput(f"input '{argument.name}': expected an array that can be read where it lies")
        positions = [argument.name for argument in program.inputs]
        for past, present, axis in caches:
            shape = cache.buffers[past].shape
            for tensor in (self._inputs[positions.index(past)], self._outputs[names.index(present)]):
                tensor.has_strides = 1
                tensor.strides[:len(shape)] = [math.prod(shape[d + 1:]) for d in range(len(shape))]
        self._grow_inputs = self._words(self._inputs, growing)
        self._grow_outputs = self._words(self._outputs, [(names.index(present), axis, self._count) for _, present, axis in caches])
        self._call = LIBRARY.bessemer_run
        self._arguments = (program._context, self._inputs, len(positions), self._outputs, len(names))
        self._made = [o for o, part in enumerate(parts) if part is None]
        self._take = (lambda tensor: take_on_device(program, tensor)) if on_device else take
        appended = {present for _, present, _ in caches}
        self.results = {name: part for name, part in zip(names, parts) if name not in appended}
        self._names = names

    @staticmethod
    def _words(tensors, growing):
        """(words of the tensors, which of them are extents that grow, how many more than the cache)"""
        at = np.array([tensor * _WORDS + _SHAPE + d for tensor, d, _ in growing], np.int64)
        return np.frombuffer(tensors, np.int64), at, np.array([more for _, _, more in growing], np.int64)

    def __call__(self):
        cache = self._cache
        length = cache.length
        if length + self._count > cache.capacity:
            raise cache._over(cache.program.caches[0][1], length + self._count)
        if length > self._room:
            raise BadInput(f"expected inputs with room for a cache of {length} places, got room for {self._room}")
        for words, at, more in (self._grow_inputs, self._grow_outputs):
            words[at] = more + length
        check(self._call(*self._arguments))
        for o in self._made:
            self.results[self._names[o]] = self._take(self._outputs[o])
            self._outputs[o].owner = None  # the result's now
        self._made = ()
        cache.length = length + self._count
        return self.results
