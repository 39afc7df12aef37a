// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// The one place where exceptions of the reader end.
#include "lib/Import/Proto/OnnxProtoReader.h"

#include "lib/Import/Proto/MessageReader.h"

#include <new>
#include <protozero/exception.hpp>
#include <stdexcept>

namespace bessemer::proto {

template <typename Message> static std::optional<Message> readAll(Bytes bytes, std::string &error) {
  try {
    Message message;
    read(bytes, message, 0);
    return message;
  } catch (const ReadError &failed) {
    error = failed.message + " at byte " + std::to_string(failed.at - bytes.data());
  } catch (const protozero::end_of_buffer_exception &) {
    error = "the file ends in the middle of a field, or is no ONNX model";
  } catch (const protozero::exception &failed) {
    error = std::string("malformed protobuf: ") + failed.what();
  } catch (const std::bad_alloc &) {
    error = "out of memory";
  } catch (const std::length_error &) {
    error = "out of memory";
  }
  return std::nullopt;
}

std::optional<Model> readModel(Bytes bytes, std::string &error) { return readAll<Model>(bytes, error); }
std::optional<Tensor> readTensor(Bytes bytes, std::string &error) { return readAll<Tensor>(bytes, error); }

std::optional<int64_t> countVarints(Bytes packed) {
  int64_t count = 0;
  unsigned length = 0;
  for (unsigned char byte : packed) {
    if (++length > 10)
      return std::nullopt;
    if (byte & 0x80)
      continue;
    ++count;
    length = 0;
  }
  return length == 0 ? std::optional(count) : std::nullopt;
}

} // namespace bessemer::proto
