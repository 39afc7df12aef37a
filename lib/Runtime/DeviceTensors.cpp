// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Inputs and outputs that lie on the device. The executor works with host addresses, so each stretch of
// device memory that a run is given has one that stands for it: memory that nobody
// touches unless an instruction runs on the host. Tensors that overlap on the device overlap there, too.
#include "lib/Runtime/Executor.h"

#include <algorithm>

namespace bessemer::runtime {

static DeviceAddress addressOf(const Tensor &tensor) { return reinterpret_cast<DeviceAddress>(tensor.data); }

DeviceAddress Executor::deviceAddressOf(const void *host) const {
  auto *at = static_cast<const char *>(host);
  for (const DeviceRegion &region : regions) {
    auto *begin = static_cast<const char *>(region.block.data());
    if (at >= begin && at - begin < region.bytes)
      return region.address + static_cast<uint64_t>(at - begin);
  }
  return 0;
}

Status Executor::addRegion(DeviceAddress address, int64_t bytes) {
  DeviceRegion region;
  region.address = address;
  region.bytes = bytes;
  region.block = MemoryBlock::make({}, bytes);
  if (!region.block.data())
    return Status::error(StatusCode::OutOfMemory,
                         "no address space for " + std::to_string(bytes) + " bytes that lie on the device");
  regions.push_back(std::move(region));
  return {};
}

/// Regions for all that lies on the device; the tensors get the host's addresses.
Status Executor::standIn(std::span<Tensor> inputs, std::span<Tensor> outputs) {
  struct Piece {
    Tensor *tensor;
    int64_t bytes;
  };
  std::vector<Piece> pieces;
  auto collect = [&](Tensor &tensor, bool isOutput) {
    if (!tensor.onDevice || !tensor.data)
      return;
    int64_t bytes = spannedBytes(tensor);
    if (isOutput && tensor.capacity >= 0)
      bytes = std::max(bytes, tensor.capacity);
    pieces.push_back({&tensor, std::max<int64_t>(bytes, 1)});
  };
  for (Tensor &input : inputs)
    collect(input, false);
  for (Tensor &output : outputs)
    collect(output, true);
  std::sort(pieces.begin(), pieces.end(),
            [](const Piece &a, const Piece &b) { return addressOf(*a.tensor) < addressOf(*b.tensor); });
  // Pieces that overlap are one region.
  std::vector<std::pair<DeviceAddress, int64_t>> wanted;
  std::vector<size_t> regionOf(pieces.size());
  for (size_t i = 0; i < pieces.size(); ++i) {
    DeviceAddress begin = addressOf(*pieces[i].tensor), end = begin + static_cast<uint64_t>(pieces[i].bytes);
    if (wanted.empty() || begin >= wanted.back().first + static_cast<uint64_t>(wanted.back().second))
      wanted.emplace_back(begin, pieces[i].bytes);
    else
      wanted.back().second = std::max(wanted.back().second, static_cast<int64_t>(end - wanted.back().first));
    regionOf[i] = wanted.size() - 1;
  }
  // Address space is not free: a run with the tensors of the run before has its regions.
  bool known = regions.size() >= wanted.size();
  for (size_t i = 0; known && i < wanted.size(); ++i)
    known = regions[i].address == wanted[i].first && regions[i].bytes == wanted[i].second;
  if (known) {
    regions.resize(wanted.size());
  } else {
    regions.clear();
    for (auto [address, bytes] : wanted)
      if (Status status = addRegion(address, bytes); !status.ok())
        return status;
  }
  for (size_t i = 0; i < pieces.size(); ++i) {
    const DeviceRegion &region = regions[regionOf[i]];
    pieces[i].tensor->data = static_cast<char *>(region.block.data()) + (addressOf(*pieces[i].tensor) - region.address);
  }
  return {};
}

Status Executor::allocateOnDevice(std::string_view name, int64_t bytes, Tensor &tensor) {
  DeviceAddress address = 0;
  std::shared_ptr<Device> device = model->device();
  if (Status status = device->allocate(name, bytes, address); !status.ok())
    return status;
  tensor.data = reinterpret_cast<void *>(address);
  tensor.capacity = bytes;
  tensor.owned = std::shared_ptr<void>(tensor.data, [device, address](void *) { device->release(address); });
  return {};
}

Status Executor::runOnDeviceTensors(std::span<const Tensor> inputs, std::span<Tensor> outputs) {
  const Function &entry = model->entry();
  auto refuse = [&](const std::string &name, const char *what) {
    return Status::error(StatusCode::BadInput, "'" + name + "': " + what);
  };
  for (size_t i = 0; i < inputs.size() && i < entry.inputs.size(); ++i)
    if (inputs[i].onDevice && !session)
      return refuse(entry.inputs[i].name,
                    "expected memory of the host, where the program runs, got memory of a device");
  for (size_t o = 0; o < outputs.size() && o < entry.outputs.size(); ++o) {
    if (!outputs[o].onDevice)
      continue;
    if (!session)
      return refuse(entry.outputs[o].name,
                    "expected memory of the host, where the program runs, got memory of a device");
    if (model->prepared().functions.front()->dynamicOutput[o])
      return refuse(entry.outputs[o].name, "expected memory of the host, as only the data tells the shape");
  }
  std::vector<Tensor> in(inputs.begin(), inputs.end());
  std::vector<void *> given(outputs.size());
  for (size_t o = 0; o < outputs.size(); ++o)
    given[o] = outputs[o].data;
  Status status = standIn(in, outputs);
  if (status.ok())
    status = runAtHostAddresses(in, outputs);
  for (size_t o = 0; o < outputs.size(); ++o)
    if (outputs[o].onDevice)
      outputs[o].data = outputs[o].owned && !given[o] ? outputs[o].owned.get() : given[o];
  // What stood for the tensors may soon be other memory.
  if (Status forgotten = session->begin({}); status.ok())
    status = forgotten;
  return status;
}

Status Executor::readTensor(const Tensor &tensor, void *data, int64_t bytes) {
  if (Status status = checkTransfer(tensor, bytes); !status.ok())
    return status;
  return bytes > 0 ? session->read(addressOf(tensor), data, bytes) : Status();
}

Status Executor::writeTensor(Tensor &tensor, const void *data, int64_t bytes) {
  if (Status status = checkTransfer(tensor, bytes); !status.ok())
    return status;
  if (!tensor.data)
    if (Status status = allocateOnDevice("tensor", std::max<int64_t>(bytes, 1), tensor); !status.ok())
      return status;
  return bytes > 0 ? session->write(addressOf(tensor), data, bytes) : Status();
}

Status Executor::checkTransfer(const Tensor &tensor, int64_t bytes) const {
  if (!session || !tensor.onDevice)
    return Status::error(StatusCode::InvalidArgument, "expected a tensor on the program's device");
  int64_t has = checkedByteSize(static_cast<uint8_t>(tensor.dtype), tensor.shape.data(), tensor.shape.size());
  if (!tensor.strides.empty() || bytes != has)
    return Status::error(StatusCode::InvalidArgument, "expected a contiguous tensor of " + std::to_string(bytes) +
                                                          " bytes, got one of " + std::to_string(has));
  return {};
}

} // namespace bessemer::runtime
