// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "bessemer/Runtime/TimePrograms.h"

#include "bessemer/Kernels/FloatFormat.h"
#include "bessemer/Runtime/Context.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <limits>
#include <random>

namespace bessemer::runtime {

namespace {
constexpr int warmUps = 2; ///< the second one records what later ones replay
/// Elements of random numbers that are repeated to fill an input: a prime, so that no two rows are alike.
constexpr size_t randomPeriod = 1000003;
/// Elements of an output that are compared.
constexpr int64_t mostCompared = int64_t{1} << 22;

struct Shape {
  DType dtype;
  std::vector<int64_t> dims;
  int64_t elements = 1;
  int64_t bytes() const { return elements * elementBytes(); }
  int64_t elementBytes() const { return dtype == DType::F32 ? 4 : 2; }
};

Status shapesOf(const std::vector<Argument> &arguments, std::vector<Shape> &shapes) {
  for (const Argument &argument : arguments) {
    Shape shape{argument.dtype, {}};
    for (const SymbolicExpr &dim : argument.dims) {
      shape.dims.push_back(dim.isConstant().value_or(-1));
      shape.elements *= std::max<int64_t>(shape.dims.back(), 0);
    }
    if (std::count(shape.dims.begin(), shape.dims.end(), -1) ||
        (argument.dtype != DType::F32 && argument.dtype != DType::F16 && argument.dtype != DType::BF16))
      return Status::error(StatusCode::Unsupported,
                           "'" + argument.name + "': expected f32, f16 or bf16 and a constant shape of what is timed");
    shapes.push_back(std::move(shape));
  }
  return {};
}

std::vector<uint8_t> randomBytes(const Shape &shape, unsigned seed) {
  std::mt19937 random(seed);
  std::uniform_real_distribution<float> uniform(-1, 1);
  size_t size = static_cast<size_t>(shape.elementBytes()), count = static_cast<size_t>(shape.elements);
  std::vector<uint8_t> bytes(count * size);
  for (size_t i = 0; i < std::min(count, randomPeriod); ++i) {
    float value = uniform(random);
    uint32_t bits =
        shape.dtype == DType::F32 ? std::bit_cast<uint32_t>(value) : kernels::encodeFloat(shape.dtype, value);
    std::copy_n(reinterpret_cast<const uint8_t *>(&bits), size, bytes.data() + i * size);
  }
  for (size_t i = randomPeriod * size; i < bytes.size(); i += randomPeriod * size)
    std::copy_n(bytes.data(), std::min(randomPeriod * size, bytes.size() - i), bytes.data() + i);
  return bytes;
}

/// The part of an output that is compared.
std::vector<double> sampleOf(const std::vector<uint8_t> &bytes, const Shape &shape) {
  int64_t stride = std::max<int64_t>(1, shape.elements / mostCompared) | 1; // odd: it meets all columns
  std::vector<double> sample;
  for (int64_t i = 0; i < shape.elements; i += stride) {
    uint32_t bits = 0;
    std::copy_n(bytes.data() + i * shape.elementBytes(), shape.elementBytes(), reinterpret_cast<uint8_t *>(&bits));
    sample.push_back(shape.dtype == DType::F32 ? static_cast<double>(std::bit_cast<float>(bits))
                                               : kernels::decodeFloat(shape.dtype, bits));
  }
  return sample;
}

double differenceOf(const std::vector<double> &expected, const std::vector<double> &got) {
  double squares = 0, largest = 0;
  for (size_t i = 0; i < expected.size(); ++i) {
    squares += expected[i] * expected[i];
    double apart = std::abs(got[i] - expected[i]);
    largest = apart <= std::numeric_limits<double>::max() ? std::max(largest, apart)
                                                          : std::numeric_limits<double>::infinity();
    if (std::isinf(largest))
      return largest;
  }
  double mean = expected.empty() ? 0 : std::sqrt(squares / static_cast<double>(expected.size()));
  return largest == 0 ? 0 : largest / mean;
}

/// One program with its inputs and outputs.
class Timed {
public:
  Timed(std::shared_ptr<const Model> model, bool onDevice) : context(std::move(model)), onDevice(onDevice) {}

  Status addInput(const Shape &shape, const std::vector<uint8_t> &bytes) {
    Tensor tensor;
    tensor.dtype = shape.dtype;
    tensor.shape = shape.dims;
    tensor.onDevice = onDevice;
    if (onDevice) {
      if (Status status = context.writeTensor(tensor, bytes.data(), shape.bytes()); !status.ok())
        return status;
    } else {
      tensor.data = const_cast<uint8_t *>(bytes.data()); // only read
    }
    inputs.push_back(std::move(tensor));
    return {};
  }
  Status run(double &seconds, size_t outputCount) {
    if (outputs.empty()) {
      outputs.resize(outputCount);
      for (Tensor &output : outputs)
        output.onDevice = onDevice;
    }
    return context.runTimed(inputs, outputs, seconds); // the memory of the first run's outputs serves all
  }
  Status read(size_t output, const Shape &shape, std::vector<uint8_t> &bytes) {
    bytes.resize(static_cast<size_t>(shape.bytes()));
    if (onDevice)
      return context.readTensor(outputs[output], bytes.data(), shape.bytes());
    std::copy_n(static_cast<const uint8_t *>(outputs[output].data), bytes.size(), bytes.data());
    return {};
  }

private:
  Context context;
  bool onDevice;
  std::vector<Tensor> inputs, outputs;
};
} // namespace

Status timePrograms(std::span<const std::shared_ptr<const Model>> models, int rounds,
                    std::vector<ProgramTiming> &timings) {
  timings.assign(models.size(), {});
  std::vector<Shape> inputShapes, outputShapes;
  for (size_t i = 0; i < models.size(); ++i) {
    std::vector<Shape> in, out;
    if (Status status = shapesOf(models[i]->entry().inputs, in); !status.ok())
      return status;
    if (Status status = shapesOf(models[i]->entry().outputs, out); !status.ok())
      return status;
    if (i == 0)
      inputShapes = in, outputShapes = out;
    auto same = [](const std::vector<Shape> &a, const std::vector<Shape> &b) {
      return std::equal(a.begin(), a.end(), b.begin(), b.end(),
                        [](const Shape &x, const Shape &y) { return x.dtype == y.dtype && x.dims == y.dims; });
    };
    if (!same(in, inputShapes) || !same(out, outputShapes))
      return Status::error(StatusCode::InvalidArgument,
                           "expected programs with the same inputs and outputs, got another in program " +
                               std::to_string(i));
  }
  std::vector<std::vector<uint8_t>> numbers;
  for (size_t i = 0; i < inputShapes.size(); ++i)
    numbers.push_back(randomBytes(inputShapes[i], static_cast<unsigned>(i)));

  // The first run of each gives the answers.
  std::vector<std::unique_ptr<Timed>> programs;
  std::vector<std::vector<double>> expected(outputShapes.size());
  bool hasExpected = false;
  auto prepare = [&](Timed &program, ProgramTiming &timing) {
    for (size_t i = 0; i < inputShapes.size(); ++i)
      if (Status status = program.addInput(inputShapes[i], numbers[i]); !status.ok())
        return status;
    double seconds = 0;
    if (Status status = program.run(seconds, outputShapes.size()); !status.ok())
      return status;
    for (size_t o = 0; o < outputShapes.size(); ++o) {
      std::vector<uint8_t> bytes;
      if (Status status = program.read(o, outputShapes[o], bytes); !status.ok())
        return status;
      std::vector<double> sample = sampleOf(bytes, outputShapes[o]);
      if (!hasExpected)
        expected[o] = std::move(sample);
      else
        timing.difference = std::max(timing.difference, differenceOf(expected[o], sample));
    }
    hasExpected = true;
    return Status();
  };
  for (size_t i = 0; i < models.size(); ++i) {
    programs.push_back(std::make_unique<Timed>(models[i], models[i]->device() != nullptr));
    timings[i].error = prepare(*programs[i], timings[i]).message;
  }

  std::vector<std::vector<double>> seconds(models.size());
  for (int round = 1; round < warmUps + rounds; ++round)
    for (size_t i = 0; i < models.size(); ++i) {
      double taken = 0;
      if (timings[i].error.empty())
        timings[i].error = programs[i]->run(taken, outputShapes.size()).message;
      if (timings[i].error.empty() && round >= warmUps)
        seconds[i].push_back(taken);
    }
  for (size_t i = 0; i < models.size(); ++i) {
    std::vector<double> &times = seconds[i];
    std::sort(times.begin(), times.end());
    if (timings[i].error.empty() && !times.empty())
      timings[i].seconds = times[times.size() / 2], timings[i].low = times.front(), timings[i].high = times.back();
  }
  return {};
}

} // namespace bessemer::runtime
