#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Copies the real ONNX models that PyPI packages carry (rapidocr, silero-vad) to build/models.

The packages are found on disk and not imported: they would ask for OpenCV and torch.
"""

import argparse
import importlib.util
import pathlib
import shutil

from graph_builder import MODELS_DIR

# Name in build/models: package, file in the package.
FILES = {
    "rapidocr-det.onnx": ("rapidocr", "models/PP-OCRv6_det_small.onnx"),
    "rapidocr-cls.onnx": ("rapidocr", "models/ch_ppocr_mobile_v2.0_cls_mobile.onnx"),
    "rapidocr-rec.onnx": ("rapidocr", "models/PP-OCRv6_rec_small.onnx"),
    "silero-vad.onnx": ("silero_vad", "data/silero_vad.onnx"),
    "silero-vad-ifless.onnx": ("silero_vad", "data/silero_vad_op18_ifless.onnx"),
    "silero-vad-16k.onnx": ("silero_vad", "data/silero_vad_16k_op15.onnx"),
}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=pathlib.Path, default=MODELS_DIR)
    arguments = parser.parse_args()
    arguments.out.mkdir(parents=True, exist_ok=True)
    for name, (package, file) in FILES.items():
        spec = importlib.util.find_spec(package)
        if spec is None:
            raise SystemExit(f"fetch_models: the package {package} is missing; run scripts/setup")
        shutil.copyfile(pathlib.Path(spec.origin).parent / file, arguments.out / name)
        print(arguments.out / name)


if __name__ == "__main__":
    main()
