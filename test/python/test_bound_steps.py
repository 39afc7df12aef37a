# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Steps of a decoder that are bound once (bessemer.Cache.bind), on the host and on the emulated device: beyond a power of two,
where the plan and the graph change, and by turns with other runs."""

import numpy as np
import pytest

import bessemer
from model_zoo import make
from testing.engines import make_engine

CAPACITY = 40


@pytest.fixture(name="reference", scope="module")
def reference_engine():
    return make_engine("onnxruntime", make("gpt2-tiny"), threads=2)


@pytest.fixture(name="program", scope="module", params=["cpu", "cuda:sm_80"])
def program_on_either(request):
    options = {"emulate": True, "sanitize": True} if request.param != "cpu" else {}
    return bessemer.compile(str(make("gpt2-tiny")), target=request.param, **options)


class Sequence:
    """A cache, steps on arrays of its own, and what ONNX Runtime says of them."""

    def __init__(self, program, reference, on_device, start, seed):
        self.reference = reference
        self.random = np.random.default_rng(seed)
        self.cache = bessemer.Cache(program, CAPACITY, batch=1, on_device=on_device)
        self.past = {argument.name: np.zeros((1, argument.shape[1], 0, argument.shape[3]), np.float32)
                     for argument in program.inputs if argument.name in self.cache.buffers}
        self.check(self.cache.run(self.feeds(start))["logits"], start)
        self.ids, self.positions = np.zeros((1, 1), np.int64), np.zeros((1, 1), np.int64)
        self.step = self.cache.bind({"input_ids": self.ids, "attention_mask": np.ones((1, CAPACITY), np.int64),
                                     "position_ids": self.positions})

    def feeds(self, count):
        length = next(iter(self.past.values())).shape[2]
        self.last = {"input_ids": self.random.integers(0, 500, (1, count)), "attention_mask": np.ones((1, length + count), np.int64),
                     "position_ids": np.arange(length, length + count)[None]}
        return self.last

    def check(self, logits, count):
        expected = self.reference(self.last | self.past)
        logits = logits.numpy() if isinstance(logits, bessemer.DeviceArray) else logits
        np.testing.assert_allclose(logits, expected["logits"], atol=1e-4)
        self.past = {name: expected[present] for name, present, _ in self.cache.program.caches}
        assert self.cache.length == next(iter(self.past.values())).shape[2]

    def advance(self):
        feeds = self.feeds(1)
        self.ids[:], self.positions[:] = feeds["input_ids"], feeds["position_ids"]
        self.check(self.step()["logits"], 1)


def test_steps_through_the_powers_of_two(program, reference):
    is_device = "emulator" in program.device_name
    sequence = Sequence(program, reference, is_device, 5, seed=1)
    before = program.device_counts
    for _ in range(3):
        sequence.advance()  # up to 8 places behind the past
    for _ in range(8):
        sequence.advance()
    for name, array in sequence.past.items():
        held = sequence.cache.buffers[name]
        held = held.numpy() if is_device else held
        np.testing.assert_allclose(held[:, :, :sequence.cache.length], array, atol=1e-4)
    counts = {name: value - before[name] for name, value in program.device_counts.items()}
    if is_device:
        # Of 5 to 7 places, of 8 (9 with the step), of 9 to 15: each begins with a list that is new, and one that is recorded.
        assert counts["plans"] <= 3 and counts["graphs"] <= 3 and counts["replays"] >= 11 - 3, counts
        inside = program.device_counts
        for _ in range(4):  # 17 to 20 in all: a new room
            sequence.advance()
        middle = program.device_counts
        for _ in range(6):
            sequence.advance()
        after = program.device_counts
        assert middle["plans"] - inside["plans"] <= 2
        assert after["plans"] == middle["plans"] and after["graphs"] == middle["graphs"], (middle, after)
        assert after["repeats"] - middle["repeats"] == 6 and after["launches"] == middle["launches"], (middle, after)
    assert program.findings == ""


def test_sequences_take_turns(program, reference):
    is_device = "emulator" in program.device_name
    one, other = (Sequence(program, reference, is_device, start, seed=start) for start in (3, 9))
    for _ in range(5):
        one.advance()
        other.advance()
    before = program.device_counts
    one.advance()
    other.advance()
    assert program.device_counts["repeats"] - before["repeats"] == (2 if is_device else 0)
    one.check(one.cache.run(one.feeds(2))["logits"], 2)
    one.advance()
    other.advance()
    assert program.findings == ""


def test_caches_on_the_host_of_a_device(reference):
    program = bessemer.compile(str(make("gpt2-tiny")), target="cuda:sm_80", emulate=True, sanitize=True)
    sequence = Sequence(program, reference, False, 6, seed=7)
    for _ in range(4):
        sequence.advance()
    assert program.findings == "" and program.device_counts["repeats"] == 0  # rows of a cache on the host lie apart


def test_what_is_refused(program, reference):
    sequence = Sequence(program, reference, "emulator" in program.device_name, CAPACITY - 2, seed=3)
    feeds = {"input_ids": sequence.ids, "position_ids": sequence.positions, "attention_mask": np.ones((1, CAPACITY - 1), np.int64)}
    small = sequence.cache.bind(feeds)
    small()
    with pytest.raises(bessemer.BadInput, match=f"room for a cache of {CAPACITY - 1} places, got room for {CAPACITY - 2}"):
        small()
    sequence.step()
    with pytest.raises(bessemer.BadInput, match=f"expected at most {CAPACITY} places, the capacity, got {CAPACITY + 1}"):
        sequence.step()
    assert sequence.cache.length == CAPACITY
    with pytest.raises(bessemer.InvalidArgument, match="got none for .'position_ids'."):
        sequence.cache.bind({"input_ids": sequence.ids, "attention_mask": feeds["attention_mask"]})
    with pytest.raises(bessemer.InvalidArgument, match="got unknown .'logit'."):
        sequence.cache.bind(feeds, out={"logit": np.zeros(3)})


def test_results_in_arrays_of_the_caller(program):
    cache = bessemer.Cache(program, 12, batch=1)
    feeds = {"input_ids": np.array([[3]]), "position_ids": np.array([[0]]), "attention_mask": np.ones((1, 12), np.int64)}
    logits = np.zeros((1, 1, 500), np.float32)
    step = cache.bind(feeds, out={"logits": logits})
    assert step()["logits"] is logits and logits.any()
    with pytest.raises(bessemer.InvalidArgument, match="expected one row of what grows with the cache"):
        bessemer.Cache(program, 12, batch=2).bind({name: np.repeat(array, 2, axis=0) for name, array in feeds.items()})
