// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// NumPy's file format, versions 1 to 3 (numpy.lib.format): a magic string, the
// length of a header, the header as a Python dictionary, the elements.
#include "bessemer/Support/MappedFile.h"
#include "lib/Driver/Commands/TensorFile.h"

#include <charconv>
#include <cstring>
#include <fstream>

namespace bessemer::commands {

namespace {

struct NpyType {
  const char *descr;
  DType dtype;
};
constexpr NpyType npyTypes[] = {
    {"<f4", DType::F32},       {"<f8", DType::F64},         {"<f2", DType::F16}, {"|b1", DType::Bool},
    {"|i1", DType::I8},        {"|u1", DType::U8},          {"<i2", DType::I16}, {"<u2", DType::U16},
    {"<i4", DType::I32},       {"<u4", DType::U32},         {"<i8", DType::I64}, {"<u8", DType::U64},
    {"<c8", DType::Complex64}, {"<c16", DType::Complex128}, {"?", DType::Bool},  {"|V2", DType::BF16},
    {"<V2", DType::BF16},
};

/// The text after `'key':` in the header.
std::optional<std::string_view> headerValue(std::string_view header, std::string_view key) {
  size_t at = header.find("'" + std::string(key) + "'");
  if (at == std::string_view::npos)
    return std::nullopt;
  at = header.find(':', at);
  if (at == std::string_view::npos)
    return std::nullopt;
  std::string_view rest = header.substr(at + 1);
  while (!rest.empty() && rest.front() == ' ')
    rest.remove_prefix(1);
  return rest;
}

std::optional<std::vector<int64_t>> parseShape(std::string_view text) {
  if (text.empty() || text.front() != '(')
    return std::nullopt;
  std::vector<int64_t> shape;
  text.remove_prefix(1);
  while (!text.empty() && text.front() != ')') {
    if (text.front() == ' ' || text.front() == ',') {
      text.remove_prefix(1);
      continue;
    }
    int64_t extent = 0;
    auto [end, code] = std::from_chars(text.data(), text.data() + text.size(), extent);
    if (code != std::errc() || extent < 0)
      return std::nullopt;
    text.remove_prefix(end - text.data());
    if (!text.empty() && text.front() == 'L')
      text.remove_prefix(1);
    shape.push_back(extent);
  }
  return text.empty() ? std::nullopt : std::optional(shape);
}

DType parseDescr(std::string_view text, DType expected) {
  if (text.size() < 3 || text.front() != '\'')
    return DType::Undefined;
  std::string_view descr = text.substr(1, text.find('\'', 1) - 1);
  // Raw bytes, and integers for packed elements: what the program expects.
  if ((descr == "|V1" || descr == "|u1" || descr == "|i1") && (isPacked(expected) || bitWidth(expected) == 8) &&
      (descr == "|V1" || isPacked(expected)))
    return expected;
  for (const NpyType &type : npyTypes)
    if (descr == type.descr)
      return type.dtype;
  return DType::Undefined;
}

/// Fortran order to row-major.
void transposeInto(const uint8_t *from, uint8_t *to, const std::vector<int64_t> &shape, size_t width) {
  std::vector<int64_t> index(shape.size(), 0);
  int64_t count = 1;
  for (int64_t extent : shape)
    count *= extent;
  for (int64_t i = 0; i < count; ++i) {
    int64_t source = 0, stride = 1;
    for (size_t d = 0; d < shape.size(); ++d) {
      source += index[d] * stride;
      stride *= shape[d];
    }
    std::memcpy(to + i * width, from + source * width, width);
    for (size_t d = shape.size(); d-- > 0;) {
      if (++index[d] < shape[d])
        break;
      index[d] = 0;
    }
  }
}

} // namespace

std::optional<DataTensor> readNpy(const std::string &path, DType expected, std::string &error) {
  std::optional<MappedFile> file = MappedFile::open(path, error);
  if (!file)
    return std::nullopt;
  auto refuse = [&](const std::string &what) {
    error = path + ": expected a NumPy file, got " + what;
    return std::nullopt;
  };
  std::string_view bytes = file->view();
  if (bytes.size() < 10 || bytes.substr(0, 6) != "\x93NUMPY")
    return refuse("another format");
  size_t lengthBytes = bytes[6] == 1 ? 2 : 4, length = 0;
  if (bytes.size() < 8 + lengthBytes)
    return refuse("a truncated one");
  for (size_t i = 0; i < lengthBytes; ++i)
    length |= size_t(uint8_t(bytes[8 + i])) << (8 * i);
  size_t start = 8 + lengthBytes + length;
  if (length > bytes.size() || start > bytes.size())
    return refuse("a truncated one");
  std::string_view header = bytes.substr(8 + lengthBytes, length);
  auto descr = headerValue(header, "descr"), order = headerValue(header, "fortran_order"),
       shapeText = headerValue(header, "shape");
  std::optional<std::vector<int64_t>> shape = shapeText ? parseShape(*shapeText) : std::nullopt;
  if (!descr || !order || !shape)
    return refuse("one with a bad header");
  DataTensor out;
  out.dtype = parseDescr(*descr, expected);
  out.shape = *shape;
  if (out.dtype == DType::Undefined)
    return refuse("elements of type " + std::string(descr->substr(0, 8)));
  if (!out.allocate())
    return refuse("a shape that does not fit in memory");
  std::string_view data = bytes.substr(start);
  int64_t count = out.elementCount();
  if (isPacked(out.dtype)) {
    if (int64_t(data.size()) < count)
      return refuse("a truncated one");
    unsigned bits = bitWidth(out.dtype), mask = (1u << bits) - 1;
    for (int64_t i = 0; i < count; ++i)
      out.data()[i * bits / 8] |= uint8_t((uint8_t(data[i]) & mask) << (i * bits % 8));
    return out;
  }
  if (int64_t(data.size()) < out.byteCount())
    return refuse("a truncated one");
  const auto *source = reinterpret_cast<const uint8_t *>(data.data());
  if (order->starts_with("True"))
    transposeInto(source, out.data(), out.shape, bitWidth(out.dtype) / 8);
  else
    std::memcpy(out.data(), source, out.byteCount());
  return out;
}

bool writeNpy(const std::string &path, const DataTensor &tensor, std::string &error) {
  std::string descr = isPacked(tensor.dtype) ? (isSignedInteger(tensor.dtype) ? "|i1" : "|u1") : "|V1";
  for (const NpyType &type : npyTypes)
    if (type.dtype == tensor.dtype) {
      descr = type.descr;
      break;
    }
  std::string header = "{'descr': '" + descr + "', 'fortran_order': False, 'shape': (";
  for (int64_t extent : tensor.shape)
    header += std::to_string(extent) + ",";
  header += "), }";
  header.resize((10 + header.size() + 1 + 63) / 64 * 64 - 10 - 1, ' ');
  header += '\n';
  std::ofstream file(path, std::ios::binary);
  file << "\x93NUMPY" << '\x01' << '\x00' << char(header.size() & 255) << char(header.size() >> 8) << header;
  if (isPacked(tensor.dtype)) {
    unsigned bits = bitWidth(tensor.dtype);
    for (int64_t i = 0; i < tensor.elementCount(); ++i) {
      unsigned value = (tensor.data()[i * bits / 8] >> (i * bits % 8)) & ((1u << bits) - 1);
      if (isSignedInteger(tensor.dtype) && (value >> (bits - 1)))
        value |= ~0u << bits;
      file << char(value);
    }
  } else {
    file.write(reinterpret_cast<const char *>(tensor.data()), tensor.byteCount());
  }
  file.close();
  if (!file) {
    error = "cannot write '" + path + "'";
    return false;
  }
  return true;
}

} // namespace bessemer::commands
