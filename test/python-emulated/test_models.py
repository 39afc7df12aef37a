# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Every model of the zoo in the emulator, for both generations, with the sanitizer: minutes, so not in CI, which runs a few of them.

    scripts/test emulated
"""

import pytest

import bessemer
from model_zoo import MODELS, make, page_cases
from testing.engines import make_engine, worst_error

GENERATIONS = ("cuda:sm_80", "cuda:sm_90a")
# Those with many layers are here as their cuts: minilm-one-layer, resnet-tiny.
LARGE = ("minilm", "resnet50")
# Pages as small as the models take them.
SMALL_PAGES = {"rapidocr-cls": (1, 3, 48, 64), "rapidocr-det": (1, 3, 32, 32), "rapidocr-rec": (1, 3, 48, 32)}


@pytest.mark.parametrize("target", GENERATIONS)
@pytest.mark.parametrize("name", [name for name in MODELS if name not in LARGE])
def test_model_agrees_with_onnx_runtime_and_the_sanitizer_is_silent(name, target):
    path = make(name)
    reference = make_engine("onnxruntime", path, threads=2)
    program = bessemer.compile(str(path), target=target, emulate=True, sanitize=True)
    cases = page_cases([SMALL_PAGES[name]])() if name in SMALL_PAGES else list(MODELS[name].cases())[:2]
    for label, feeds in cases:
        actual = program(feeds)
        for output, values in reference(feeds).items():
            error = worst_error(actual[output], values)
            assert error <= 1, f"{name} at {label}, output {output}: {error:.3g} times the allowed error"
