"""What a graph computes from its own constants, computed when it is written.

torch writes the axes of a mean as a constant that is reshaped; TensorRT wants them as they are.
"""

from typing import Any

import numpy as np


def folded(proto: Any) -> int:  # noqa: ANN401 - onnx.ModelProto
    """Put reshaped constants in place of their reshaping, in ``proto``; how many there were."""
    from onnx import helper, numpy_helper

    graph = proto.graph
    values = {each.name: numpy_helper.to_array(each) for each in graph.initializer}
    for node in graph.node:
        if node.op_type == "Constant":
            value = helper.get_attribute_value(node.attribute[0])
            kind = np.float32 if node.attribute[0].name.startswith("value_float") else np.int64
            tensor = node.attribute[0].name == "value"
            values[node.output[0]] = numpy_helper.to_array(value) if tensor else np.asarray(value, kind)
    found = [node for node in graph.node if node.op_type == "Reshape" and set(node.input) <= set(values)]
    for node in found:
        data, shape = (values[name] for name in node.input)
        graph.initializer.append(numpy_helper.from_array(data.reshape(shape), node.output[0]))
        graph.node.remove(node)
    return len(found)
