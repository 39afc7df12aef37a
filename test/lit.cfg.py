# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
# lit runs the .mlir and .test files of this folder on the tools of a build:
#   /usr/lib/llvm-22/bin/lit -sv test [--param build=build-asan] [--filter NAME]
import os
import pathlib
import shutil

import lit.formats

root = pathlib.Path(__file__).resolve().parents[1]
build = root / lit_config.params.get("build", "build")
llvm_bin = "/usr/lib/llvm-22/bin"

config.name = "Bessemer"
config.test_format = lit.formats.ShTest(execute_external=False)
config.suffixes = [".mlir", ".test"]
config.excludes = ["Inputs", "aarch64", "models", "onnx-node", "python", "python-torch", "unit"]
config.test_source_root = str(root / "test")
config.test_exec_root = str(build / "test" / "lit")

config.environment["PATH"] = os.pathsep.join([str(build / "bin"), llvm_bin, os.environ["PATH"]])
config.substitutions += [
    ("%python", str(root / ".venv" / "bin" / "python")),
    ("%models", str(build / "models")),
    ("%build", str(build)),
    ("%root", str(root)),
]
if shutil.which("qemu-aarch64"):
    config.available_features.add("qemu-aarch64")
