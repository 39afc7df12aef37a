#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""The three models of rapidocr against ONNX Runtime, sizes free: detection, direction of a line, recognition."""

from common import main

from model_zoo import make, page_cases
from testing.measure import Case

SIZES = (("det", (1, 3, 480, 640)), ("cls", (6, 3, 48, 192)), ("rec", (6, 3, 48, 320)))


def cases():
    for name, shape in SIZES:
        for label, feeds in page_cases([shape])():
            yield Case(f"rapidocr-{name} {label}", make(f"rapidocr-{name}"), feeds)


if __name__ == "__main__":
    main("rapidocr", __doc__, cases)
