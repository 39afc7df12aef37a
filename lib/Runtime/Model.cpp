// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "bessemer/Runtime/Model.h"

#include "bessemer/Runtime/CheckProgram.h"
#include "lib/Runtime/CodeObject.h"
#include "lib/Runtime/DeviceSession.h"
#include "lib/Runtime/Prepare.h"
#include "lib/Runtime/Weights.h"

#include <algorithm>
#include <new>

namespace bessemer::runtime {

Model::Model() = default;
Model::~Model() = default;

int64_t Model::weightBytes() const { return weights ? weights->bytes() : 0; }

int64_t Model::memoryLimit() const {
  int64_t ours = content->memoryLimit, theirs = options.memoryLimit;
  return ours > 0 && theirs > 0 ? std::min(ours, theirs) : std::max<int64_t>({ours, theirs, 0});
}

void *Model::weight(int32_t index) const { return weights->find(index); }

/// Ops of the host must be there when the program is loaded, not when it happens to run them.
static Status checkOpsKnown(const Block &block, const LoadOptions &options) {
  for (const Instruction &instruction : block) {
    if (auto *op = std::get_if<Fallback>(&instruction.op))
      if (!kernels::hasKernel(op->op) && !options.customKernels.contains(op->op))
        return Status::error(StatusCode::Unsupported,
                             "op '" + op->op + "' (" + instruction.provenance +
                                 "): expected the host to register it (bessemer_register_op), got no kernel");
    const std::shared_ptr<Block> *inner[2] = {};
    if (auto *branch = std::get_if<If>(&instruction.op)) {
      inner[0] = &branch->thenBlock;
      inner[1] = &branch->elseBlock;
    } else if (auto *loop = std::get_if<Loop>(&instruction.op)) {
      inner[0] = &loop->body;
    }
    for (const std::shared_ptr<Block> *nested : inner)
      if (nested && *nested)
        if (Status status = checkOpsKnown(**nested, options); !status.ok())
          return status;
  }
  return {};
}

/// The device with the program's kernels and constants; weights follow when they are made.
Status Model::loadDevice() {
  if (memoryLimit() > 0)
    return Status::error(StatusCode::Unsupported, "expected no memory limit for a program on a device");
  if (!options.device)
    if (Status status = openCudaDevice(options.device); !status.ok())
      return status;
  if (Status status = options.device->load(*content); !status.ok())
    return status;
  image = std::make_unique<DeviceImage>(options.device);
  for (const Constant &constant : content->constants)
    if (Status status = image->add("constant", constant.bytes.data(), static_cast<int64_t>(constant.bytes.size()));
        !status.ok())
      return status;
  return {};
}

Status Model::create(Program program, const LoadOptions &options, std::shared_ptr<Model> &model) {
  return create(std::make_unique<Program>(std::move(program)), options, nullptr, model);
}

Status Model::create(std::unique_ptr<Program> program, const LoadOptions &options, std::shared_ptr<WeightImage> image,
                     std::shared_ptr<Model> &model) try {
  if (Status status = program->onDevice() ? Status() : checkTarget(*program); !status.ok())
    return status;
  if (Status status = checkProgram(*program); !status.ok())
    return status;
  std::shared_ptr<Model> made(new Model());
  made->content = std::move(program);
  made->options = options;
  for (const Function &function : made->content->functions)
    if (Status status = checkOpsKnown(function.body, options); !status.ok())
      return status;
  made->preparedProgram = prepareProgram(*made->content);
  const Program &content = *made->content;
  made->kernelPointers.resize(content.kernels.size());
  if (content.onDevice()) {
    if (Status status = made->loadDevice(); !status.ok())
      return status;
  } else if (!content.kernels.empty()) {
    if (Status status = CodeObject::load(content.code, made->code); !status.ok())
      return status;
    for (size_t i = 0; i < content.kernels.size(); ++i) {
      made->kernelPointers[i] = made->code->find(content.kernels[i].symbol);
      if (!made->kernelPointers[i])
        return Status::error(StatusCode::BadFile, "the code has no kernel '" + content.kernels[i].symbol + "'");
    }
  }
  made->pool =
      options.threadPool ? std::make_shared<ThreadPool>(*options.threadPool) : ThreadPool::shared(options.threads);
  made->weights = std::make_unique<WeightStore>(std::move(image));
  if (Status status = made->weights->load(made); !status.ok())
    return status;
  if (made->image)
    for (size_t i = 0; i < content.weights.size(); ++i) {
      const Weight &weight = content.weights[i];
      int64_t bytes = checkedByteSize(static_cast<uint8_t>(weight.dtype), weight.shape.data(), weight.shape.size());
      if (void *data = weight.temporary ? nullptr : made->weight(static_cast<int32_t>(i)))
        if (Status status = made->image->add(weight.name, data, bytes); !status.ok())
          return status;
    }
  made->options.cancel = nullptr; // the caller's, for loading only
  model = std::move(made);
  return {};
} catch (const std::bad_alloc &) {
  return Status::error(StatusCode::OutOfMemory, "no memory for the program");
}

} // namespace bessemer::runtime
