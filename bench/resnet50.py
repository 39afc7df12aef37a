#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""ResNet-50 at batch 1, 224 x 224, against ONNX Runtime: with the sizes of the image free, and bound when compiling."""

import numpy as np
from common import main

from model_zoo import make
from testing.measure import Case

FLOPS = 8.18e9  # 4.09 G multiply-adds: He et al. 2015, with the stride in the 3x3 convolution


def cases():
    image = np.random.default_rng(0).standard_normal((1, 3, 224, 224), dtype=np.float32)
    yield Case("resnet50 1x3x224x224, free", make("resnet50"), {"input": image}, FLOPS)
    yield Case("resnet50 1x3x224x224, bound", make("resnet50"), {"input": image}, FLOPS,
               dims={"batch": 1, "height": 224, "width": 224})


if __name__ == "__main__":
    main("resnet50", __doc__, cases)
