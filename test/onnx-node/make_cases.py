# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Writes the ONNX backend node tests to disk, once: NAME/model.onnx and NAME/test_data_set_N/{input,output}_I.pb.

Since onnx 1.23 the package holds them as Python code and no longer as files. Beside each model lies names.txt: the op
types, nodes and tensors that a diagnostic about this model can name; and rtol.txt, the relative tolerance.
"""

import pathlib
import shutil
import warnings


def _serialize(value, value_info):
    import numpy as np
    from onnx import TensorProto, numpy_helper
    kind = value_info.type.WhichOneof("value")
    if kind == "sequence_type":
        return numpy_helper.from_list(value, value_info.name).SerializeToString()
    if kind == "optional_type":
        return numpy_helper.from_optional(value, value_info.name).SerializeToString()
    if kind == "map_type":
        return numpy_helper.from_dict(value, value_info.name).SerializeToString()
    if isinstance(value, TensorProto):
        named = TensorProto()
        named.CopyFrom(value)
        named.name = value_info.name
        return named.SerializeToString()
    return numpy_helper.from_array(np.asarray(value), value_info.name).SerializeToString()


def _names(graph):
    names = {value.name for value in graph.input} | {value.name for value in graph.output}
    for node in graph.node:
        names |= {node.op_type, node.name, *node.output}
        for attribute in node.attribute:
            for inner in [attribute.g, *attribute.graphs]:
                names |= _names(inner)
    return names - {""}


FORMAT = 2  # of the folders; another one is written anew


def _relative_tolerance(case):
    """ONNX's own runner allows two units in the last place of bfloat16, whatever the case says."""
    from onnx import TensorProto
    types = {value.type.tensor_type.elem_type for value in case.model.graph.output}
    return max(case.rtol, 2**-6) if TensorProto.BFLOAT16 in types else case.rtol


def _write(case, directory):
    directory.mkdir(parents=True)
    (directory / "model.onnx").write_bytes(case.model.SerializeToString())
    (directory / "names.txt").write_text("\n".join(sorted(_names(case.model.graph))) + "\n")
    (directory / "rtol.txt").write_text(f"{_relative_tolerance(case)}\n")
    for index, (inputs, outputs) in enumerate(case.data_sets):
        folder = directory / f"test_data_set_{index}"
        folder.mkdir()
        for prefix, values, infos in (("input", inputs, case.model.graph.input),
                                      ("output", outputs, case.model.graph.output)):
            for i, (value, info) in enumerate(zip(values, infos)):
                (folder / f"{prefix}_{i}.pb").write_bytes(_serialize(value, info))


def make_cases(directory):
    """Returns the sorted case folders below `directory`, written anew when the onnx version is another one."""
    import onnx
    directory = pathlib.Path(directory)
    stamp = directory / "onnx-version.txt"
    wanted = f"{onnx.__version__} format {FORMAT}"
    if not stamp.exists() or stamp.read_text() != wanted:
        from onnx.backend.test.loader import load_model_tests
        shutil.rmtree(directory, ignore_errors=True)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # overflow and NaN are what some of the cases are about
            for case in load_model_tests(kind="node"):
                _write(case, directory / case.name)
        stamp.write_text(wanted)
    return sorted(path.parent for path in directory.glob("*/model.onnx"))


if __name__ == "__main__":
    print(len(make_cases(pathlib.Path(__file__).resolve().parents[2] / "build" / "onnx-node")), "cases")
