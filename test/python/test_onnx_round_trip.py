# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""What bessemer-translate exports equals what it imported: the same protos, up to the order of nodes' attributes, of
value_info and to fields that are present with their default value."""
import pathlib
import subprocess

import onnx
import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
TRANSLATE = ROOT / "build" / "bin" / "bessemer-translate"
MODELS = sorted((ROOT / "build" / "models").glob("*.onnx")) + sorted((ROOT / "build" / "models").glob("*/*.onnx"))
NODE_CASES = sorted((ROOT / "build" / "onnx-node").glob("*/model.onnx"))


def normalized(message):
    """A proto as nested tuples: default values are left out, attributes and value_info sorted by name."""
    fields = []
    for field, value in message.ListFields():
        repeated = not hasattr(value, "ListFields") and field.type == field.TYPE_MESSAGE
        if field.type == field.TYPE_MESSAGE:
            values = [normalized(item) for item in value] if repeated else [normalized(value)]
            if field.name in ("attribute", "value_info", "attribute_proto"):
                values.sort(key=repr)
            fields.append((field.name, tuple(values)))
        elif isinstance(value, (str, bytes, int, float)):
            if value:
                fields.append((field.name, value))
        elif len(value):
            fields.append((field.name, tuple(repr(item) for item in value)))  # repr: nan is nan
    return tuple(fields)


def accepted(model):
    opset = next((entry.version for entry in model.opset_import if entry.domain in ("", "ai.onnx")), 7)
    return 3 <= model.ir_version <= 14 and 7 <= opset <= 28


def round_trip(path, directory):
    text, out = directory / "model.mlir", directory / "model.onnx"
    subprocess.run([TRANSLATE, "--import-onnx", path, "-o", text], check=True)
    subprocess.run([TRANSLATE, "--export-onnx", text, "-o", out], check=True)
    return onnx.load(out, load_external_data=False)


def check(path, directory):
    original = onnx.load(path, load_external_data=False)
    if not accepted(original):
        result = subprocess.run([TRANSLATE, "--import-onnx", path], capture_output=True)
        assert result.returncode == 2
        return
    assert normalized(round_trip(path, directory)) == normalized(original)


@pytest.mark.parametrize("path", MODELS, ids=lambda path: path.stem)
def test_model_comes_back(path, tmp_path):
    check(path, tmp_path)


@pytest.mark.parametrize("chunk", range(16))
def test_node_models_come_back(chunk, tmp_path):
    assert NODE_CASES
    for path in NODE_CASES[chunk::16]:
        check(path, tmp_path)
