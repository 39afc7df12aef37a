// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// The messages of onnx.proto as plain structs over the bytes of a file.
// Strings and tensor data are views into these bytes: nothing is copied.
// An optional holds what protobuf calls presence, where it matters for the way
// back; an empty string stands for an absent one.
//
// Source: onnx/onnx-ml.proto of onnx 1.23 (the field numbers are in
// OnnxProtoReader.cpp and in ../Export*.cpp).
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace bessemer::proto {

using Bytes = std::string_view;

struct KeyValue {
  Bytes key, value;
};
using KeyValues = std::vector<KeyValue>;

struct Tensor {
  std::vector<int64_t> dims;
  int32_t dataType = 0;
  bool hasSegment = false;
  Bytes name, docString;
  std::optional<Bytes> rawData;
  // One view for each occurrence of the field: a packed block, or one element
  // of an unpacked field (its 4 or 8 bytes, or its varint).
  std::vector<Bytes> floatData, int32Data, int64Data, doubleData, uint64Data;
  std::vector<Bytes> stringData;
  KeyValues externalData;
  bool isExternal = false;
  KeyValues metadata;
};

struct SparseTensor {
  std::optional<Tensor> values, indices;
  std::vector<int64_t> dims;
};

struct Dimension {
  enum class Kind { Unset, Value, Param } kind = Kind::Unset;
  int64_t value = 0;
  Bytes param, denotation;
};

struct Type {
  enum class Kind { Unset, Tensor, Sequence, Map, Optional, SparseTensor, Opaque };
  Kind kind = Kind::Unset;
  int32_t elementType = 0;     ///< Tensor, SparseTensor; the key of a Map
  bool hasShape = false;       ///< Tensor, SparseTensor
  std::vector<Dimension> dims; ///< Tensor, SparseTensor
  std::vector<Type> element;   ///< Sequence, Optional, Map (its value): none or one
  Bytes domain, name;          ///< Opaque
  Bytes denotation;
};

struct ValueInfo {
  Bytes name, docString;
  std::optional<Type> type;
  KeyValues metadata;
};

/// AttributeProto.AttributeType
enum class AttributeKind {
  Undefined = 0,
  Float = 1,
  Int = 2,
  String = 3,
  Tensor = 4,
  Graph = 5,
  Floats = 6,
  Ints = 7,
  Strings = 8,
  Tensors = 9,
  Graphs = 10,
  SparseTensor = 11,
  SparseTensors = 12,
  TypeProto = 13,
  TypeProtos = 14,
};

struct Graph;
struct Attribute {
  Bytes name, refAttrName, docString;
  std::optional<int32_t> type;
  std::optional<float> f;
  std::optional<int64_t> i;
  std::optional<Bytes> s;
  std::vector<float> floats;
  std::vector<int64_t> ints;
  std::vector<Bytes> strings;
  // The singular message fields have none or one element.
  std::vector<Tensor> tensor, tensors;
  std::vector<Graph> graph, graphs;
  std::vector<SparseTensor> sparseTensor, sparseTensors;
  std::vector<Type> typeProto, typeProtos;
};

struct SimpleShardedDim {
  std::optional<int64_t> dimValue;
  std::optional<Bytes> dimParam;
  std::optional<int64_t> numShards;
};
struct ShardedDim {
  std::optional<int64_t> axis;
  std::vector<SimpleShardedDim> shards;
};
struct DeviceGroup {
  std::optional<int64_t> key;
  std::vector<int64_t> value;
};
struct ShardingSpec {
  Bytes tensor;
  std::vector<int64_t> devices;
  std::vector<DeviceGroup> groups;
  std::vector<ShardedDim> dims;
};
struct NodeDeviceConfiguration {
  Bytes configuration;
  std::vector<ShardingSpec> sharding;
  std::optional<int32_t> pipelineStage;
};
struct DeviceConfiguration {
  Bytes name;
  std::optional<int32_t> numDevices;
  std::vector<Bytes> devices;
};

struct Node {
  std::vector<Bytes> inputs, outputs;
  Bytes name, opType, domain, overload, docString;
  std::vector<Attribute> attributes;
  KeyValues metadata;
  std::vector<NodeDeviceConfiguration> deviceConfigurations;
};

struct QuantizationAnnotation {
  Bytes tensor;
  KeyValues parameters;
};

struct Graph {
  Bytes name, docString;
  std::vector<Node> nodes;
  std::vector<Tensor> initializers;
  std::vector<SparseTensor> sparseInitializers;
  std::vector<ValueInfo> inputs, outputs, valueInfo;
  std::vector<QuantizationAnnotation> quantization;
  KeyValues metadata;
};

struct OpsetId {
  Bytes domain;
  int64_t version = 0;
};

struct Function {
  Bytes name, domain, overload, docString;
  std::vector<Bytes> inputs, outputs, attributes;
  std::vector<Attribute> attributeDefaults;
  std::vector<Node> nodes;
  std::vector<OpsetId> opsets;
  std::vector<ValueInfo> valueInfo;
  KeyValues metadata;
};

struct Model {
  std::optional<int64_t> irVersion, modelVersion;
  Bytes producerName, producerVersion, domain, docString;
  std::vector<OpsetId> opsets;
  std::optional<Graph> graph;
  KeyValues metadata;
  std::vector<Function> functions;
  std::vector<DeviceConfiguration> configurations;
  bool hasTraining = false;
};

} // namespace bessemer::proto
