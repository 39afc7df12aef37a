# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Loaded programs: callables on arrays."""

import ctypes
import json
import os
import threading
import weakref
from ctypes import byref, c_void_p

import numpy as np

from . import _library
from ._arrays import as_array, dtype_name, fill, take
from ._device import fill_on_device, take_on_device, to_device
from ._errors import BadInput, InvalidArgument
from ._library import LIBRARY, LoadOptions, Tensor, check


class Argument:
    """An input or output: name, dtype ("float32"), shape (int where constant, else the expression as text)."""

    def __init__(self, raw):
        self.name = raw.name.decode("utf-8", "replace")
        self.dtype_number = raw.dtype
        self.dtype = dtype_name(raw.dtype)
        self.shape = tuple(raw.shape[d] if raw.shape[d] >= 0 else raw.dims[d].decode() for d in range(raw.rank))

    def __repr__(self):
        return f"Argument({self.name!r}, {self.dtype}, {self.shape})"


class _Context:
    """One thread's state of a program."""

    def __init__(self, program):
        self.handle = c_void_p()
        check(LIBRARY.bessemer_context_create(program, byref(self.handle)))
        weakref.finalize(self, LIBRARY.bessemer_context_release, c_void_p(self.handle.value))


class BoundRun:
    """Made by Program.bind. `results`: the outputs, in order, which each call writes again. For the thread that made it."""

    def __init__(self, program, values, out, on_device):
        self._program = program
        self._inputs, self._outputs, self._alive = program._tensors(values, out, on_device)
        for i, (value, kept) in enumerate(zip(values, self._alive)):
            if isinstance(kept, np.ndarray) and kept.ctypes.data != as_array(value).ctypes.data:
                raise BadInput(f"input '{program.inputs[i].name}': expected an array that can be read where it lies")
        self._call = LIBRARY.bessemer_run
        self._arguments = (program._context, self._inputs, len(program.inputs), self._outputs, len(program.outputs))
        check(self._call(*self._arguments))
        self.results = []
        for i in range(len(program.outputs)):
            if out is not None and out[i] is not None:
                self.results.append(out[i])
                continue
            self.results.append(take_on_device(program, self._outputs[i]) if on_device else take(self._outputs[i]))
            self._outputs[i].owner = None  # the result's now

    def __call__(self):
        check(self._call(*self._arguments))
        return self.results


class Program:
    """A model ready to run. Thread-safe: each thread gets a context of its own on first use."""

    def __init__(self, handle, keep=None, compilation=None):
        self._handle = handle
        self._keep = keep  # memory that weights lie in
        self._compilation = compilation
        # A plain finalizer would run before those of contexts that are still alive; that is fine: they hold the program.
        weakref.finalize(self, LIBRARY.bessemer_program_release, c_void_p(handle.value))
        self._local = threading.local()
        self.inputs = self._arguments(LIBRARY.bessemer_input_count, LIBRARY.bessemer_input)
        self.outputs = self._arguments(LIBRARY.bessemer_output_count, LIBRARY.bessemer_output)
        self._cache_pairs = []
        for index in range(LIBRARY.bessemer_cache_count(handle)):
            pair = _library.CachePair()
            check(LIBRARY.bessemer_cache_at(handle, index, byref(pair)))
            self._cache_pairs.append((pair.input, pair.output, pair.axis))

    def _arguments(self, count, get):
        arguments = []
        for index in range(count(self._handle)):
            raw = _library.Argument()
            check(get(self._handle, index, byref(raw)))
            arguments.append(Argument(raw))
        return arguments

    @property
    def _context(self):
        if not hasattr(self._local, "context"):
            self._local.context = _Context(self._handle)
        return self._local.context.handle

    @property
    def findings(self):
        """What the emulator has found wrong with the kernels in the runs so far, as text; see bessemer.compile."""
        return self._compilation.findings if self._compilation else ""

    @property
    def report(self):
        """What the compiler decided, and why, as a dict; None for a program that was loaded."""
        return self._compilation.report if self._compilation else None

    @property
    def diagnostics(self):
        """The compiler's warnings, one a line."""
        return self._compilation.diagnostics if self._compilation else ""

    @property
    def caches(self):
        """What a run appends to: (input, output, axis) by name; see Cache."""
        return [(self.inputs[i].name, self.outputs[o].name, axis) for i, o, axis in self._cache_pairs]

    @property
    def weight_bytes(self):
        """Bytes of weights in memory (those mapped from a file are not counted)."""
        return LIBRARY.bessemer_weight_bytes(self._handle)

    def _ordered(self, args, kwargs, what="input"):
        """Values in the program's order, from a dict, positions or names."""
        if len(args) == 1 and isinstance(args[0], dict) and not kwargs:
            given = dict(args[0])
        else:
            if len(args) > len(self.inputs):
                raise InvalidArgument(f"expected {len(self.inputs)} {what}s, got {len(args)}")
            given = {argument.name: value for argument, value in zip(self.inputs, args)}
            for name, value in kwargs.items():
                if name in given:
                    raise InvalidArgument(f"expected {what} '{name}' once, got it twice")
                given[name] = value
        names = [argument.name for argument in self.inputs]
        missing = [name for name in names if name not in given]
        unknown = [name for name in given if name not in names]
        if unknown:
            raise InvalidArgument(f"expected {what}s {names}, got unknown {unknown}")
        if missing:
            raise InvalidArgument(f"expected {what}s {names}, got none for {missing}")
        return [given[name] for name in names]

    def _tensors(self, values, out, on_device):
        """C tensors of the inputs and outputs, and what must stay alive for them."""
        inputs = (Tensor * max(len(self.inputs), 1))()
        outputs = (Tensor * max(len(self.outputs), 1))()
        alive = []
        for i, value in enumerate(values):
            given = fill_on_device(inputs[i], value, self.inputs[i])
            alive.append(fill(inputs[i], value, self.inputs[i]) if given is None else given)
        if out is not None and len(out) != len(self.outputs):
            raise InvalidArgument(f"expected {len(self.outputs)} outputs, got {len(out)}")
        for i, array in enumerate(out or [None] * len(self.outputs)):
            if array is None:
                outputs[i].place = int(on_device)
                continue
            given = fill_on_device(outputs[i], array, self.outputs[i])
            if given is None:
                array = as_array(array)
                cache = any(output == i for _, output, _ in self._cache_pairs)
                if not (array.flags.c_contiguous or cache) or not array.flags.writeable:
                    raise BadInput(f"output '{self.outputs[i].name}': expected a contiguous array that may be written")
                given = fill(outputs[i], array, self.outputs[i])
                if given.ctypes.data != array.ctypes.data:
                    raise BadInput(f"output '{self.outputs[i].name}': expected strides of whole elements")
            alive.append(given)
        return inputs, outputs, alive

    def _run(self, values, out, on_device=False):
        inputs, outputs, alive = self._tensors(values, out, on_device)
        check(LIBRARY.bessemer_run(self._context, inputs, len(self.inputs), outputs, len(self.outputs)))
        del alive
        return [out[i] if out is not None and out[i] is not None
                else take_on_device(self, outputs[i]) if on_device else take(outputs[i]) for i in range(len(self.outputs))]

    def bind(self, *args, out=None, on_device=False, **kwargs):
        """A run on these very tensors, whatever they hold, as often as it is called: a BoundRun. What a call costs besides
        the run is a few microseconds, and on a GPU a run of the same tensors is one replay of its graph. For caches that grow
        see Cache.bind."""
        return BoundRun(self, self._ordered(args, kwargs), out, on_device)

    def __call__(self, *args, out=None, on_device=False, **kwargs):
        """Runs the model. Inputs by position or name give a list of arrays; one dict gives a dict.

        out: arrays (or None) for the outputs, in order, to write into; an output may lie on an input of the same size,
        and one of `caches` may be a view of the buffer that its input is a view of.
        on_device: outputs stay in the GPU's memory, as DeviceArrays. They, and tensors of frameworks there (DLPack, CUDA),
        are inputs and `out` without a copy. A run sees what the framework's stream has been given before the call.
        """
        results = self._run(self._ordered(args, kwargs), out, on_device)
        if len(args) == 1 and isinstance(args[0], dict) and not kwargs:
            return {argument.name: result for argument, result in zip(self.outputs, results)}
        return results

    def _shapes(self, args, kwargs):
        inputs = (Tensor * max(len(self.inputs), 1))()
        for tensor, value in zip(inputs, self._ordered(args, kwargs, "shape")):
            shape = tuple(value.shape if hasattr(value, "shape") else value)
            if len(shape) > _library.MAX_RANK:
                raise BadInput(f"expected a rank of at most {_library.MAX_RANK}, got {len(shape)}")
            tensor.rank = len(shape)
            tensor.shape[:len(shape)] = shape
        return inputs

    def output_shapes(self, *args, **kwargs):
        """Shapes of the outputs, by name, for shapes (or arrays) of the inputs; None where only the data tells."""
        inputs = self._shapes(args, kwargs)
        outputs = (Tensor * max(len(self.outputs), 1))()
        check(LIBRARY.bessemer_output_shapes(self._context, inputs, len(self.inputs), outputs, len(self.outputs)))
        return {argument.name: tuple(d if d >= 0 else None for d in tensor.shape[:tensor.rank])
                for argument, tensor in zip(self.outputs, outputs)}

    def arena_bytes(self, *args, **kwargs):
        """Bytes of intermediate values that a run with such inputs takes."""
        size = ctypes.c_int64()
        check(LIBRARY.bessemer_arena_bytes(self._context, self._shapes(args, kwargs), len(self.inputs), byref(size)))
        return size.value

    def to_device(self, value):
        """A copy of an array in the memory of the program's GPU, see DeviceArray."""
        return to_device(self, value)

    @property
    def device_counts(self):
        """What this thread's runs have asked of the GPU: copies_in, copies_out, symbol_copies, launches (one by one), graphs
        (recorded) and replays. A list of launches that comes again is a (CUDA) graph, whatever its symbols. And plans: how many
        were made for shapes (sizes that grow up to the next power of two are one plan on a GPU), and repeats: runs that were nothing
        but a replay."""
        return json.loads(LIBRARY.bessemer_device_counts_json(self._context).decode())

    @property
    def device_name(self):
        """What the GPU calls itself; "" for a program of the host."""
        return LIBRARY.bessemer_device_name(self._handle).decode("utf-8", "replace")

    def prepare(self):
        """Makes this thread's context now and not in its first run: where all shapes are constant, all memory of a run."""
        _ = self._context

    def profile(self, *args, repeat=1, **kwargs):
        """Runs the model `repeat` times and returns what each instruction took: a list of dicts with name, kind,
        provenance, runs, seconds, flops and bytes (sums over the runs), the most expensive first."""
        values = self._ordered(args, kwargs)
        self._run(values, None)  # plans its memory, warms up
        LIBRARY.bessemer_clear_profile(self._context)
        LIBRARY.bessemer_set_profiling(self._context, 1)
        try:
            for _ in range(repeat):
                self._run(values, None)
            return json.loads(LIBRARY.bessemer_profile_json(self._context).decode("utf-8", "replace"))
        finally:
            LIBRARY.bessemer_set_profiling(self._context, 0)

    def save(self, path, self_contained=False):
        """Writes the artifact; only for a program that was compiled in this process."""
        if not self._compilation:
            raise InvalidArgument("expected a program made by bessemer.compile, got one that was loaded")
        self._compilation.write(path, self_contained)

    def __repr__(self):
        return f"Program(inputs={self.inputs}, outputs={self.outputs})"


def time_programs(programs, rounds=9):
    """Times programs that compute the same against each other, on random inputs, by turns; a dict for each.

    seconds, low, high: of a run, the device's own time (median, fastest, slowest). difference: the largest |y - y0| over the
    root mean square of y0, the outputs of the first program. error: why it could not run, or "". Shapes are constant.
    """
    handles = (c_void_p * max(len(programs), 1))(*[program._handle for program in programs])
    timings = (_library.Timing * max(len(programs), 1))()
    check(LIBRARY.bessemer_time_programs(handles, len(programs), rounds, timings))
    return [{"seconds": timing.seconds, "low": timing.low, "high": timing.high, "difference": timing.difference,
             "error": timing.error.decode("utf-8", "replace")} for timing in timings[:len(programs)]]


def load_options(threads=None, host_weights=None, memory=None, pool=None):
    """LoadOptions and what must stay alive with them."""
    options = LoadOptions(struct_size=ctypes.sizeof(LoadOptions), threads=threads or 0, memory_limit=memory or 0,
                          pool_limit=pool or 0)
    alive = []
    if host_weights:
        items = (_library.HostWeight * len(host_weights))()
        for item, (key, value) in zip(items, host_weights.items()):
            array = as_array(memoryview(value) if isinstance(value, (bytes, bytearray)) else value)
            if not array.flags.c_contiguous:
                raise BadInput(f"host weight '{key}': expected a contiguous array")
            name = key.encode()
            item.key, item.data, item.bytes = name, array.ctypes.data, array.nbytes
            alive += [array, name]
        options.host_weights = items
        options.host_weight_count = len(host_weights)
        alive.append(items)
    return options, alive


def load(source, threads=None, host_weights=None, check_all_weights=False, memory=None, pool=None):
    """Loads an artifact from a path or from bytes.

    threads: with the caller's; None: one for each physical core. host_weights: arrays for weights that were compiled
    as host pointers, by key. check_all_weights: hash weights of more than 256 MiB in the artifact whole, too.
    memory: bytes that the arena of a run and the weights in memory may take together; None: no limit.
    pool: bytes that tensors whose size only the data tells may take at a time; None: 4 GiB.
    """
    options, alive = load_options(threads, host_weights, memory, pool)
    options.check_all_weights = int(check_all_weights)
    handle = c_void_p()
    if isinstance(source, (bytes, bytearray, memoryview)):
        data = bytes(source)
        check(LIBRARY.bessemer_load_memory(data, len(data), byref(options), byref(handle)))
    else:
        check(LIBRARY.bessemer_load_file(os.fsencode(source), byref(options), byref(handle)))
    return Program(handle, keep=alive)
