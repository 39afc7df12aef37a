// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// The host program: what the compiler hands to the runtime. A list of
// instructions over buffers, with sizes as expressions over named symbols. The
// compiler (lib/Driver/Emit*.cpp) builds this structure; lib/Runtime writes it to
// and reads it from an artifact (`.bsm`), checks it, and runs it.
//
// Example, y = softmax(x) for x of ("n", 384):
//
//   symbols   n (bound by input 0)
//   buffers   0: input 0, f32 [n, 384]   1: output 0, f32 [n, 384]
//   main      launch softmax_0 grid(n) buffers(0, 1) symbols(n)
//
// Nothing here may assume one device, static shapes or weights in memory.
#pragma once

#include "bessemer/Algorithms/SymbolicExpr.h"
#include "bessemer/Algorithms/TensorMapPlan.h"
#include "bessemer/Kernels/Kernels.h"
#include "bessemer/Support/DType.h"

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <variant>
#include <vector>

namespace bessemer::runtime {

using BufferId = int32_t;
using Dims = std::vector<SymbolicExpr>;

/// Where a buffer's bytes are.
enum class BufferKind : uint8_t {
  Input,    ///< argument `index` of the function
  Output,   ///< result `index` of the function: written in the caller's memory
  Arena,    ///< planned: an offset in the function's frame
  Weight,   ///< Program::weights[index], made once when the program is loaded
  Constant, ///< Program::constants[index], in the artifact
  Alias,    ///< the bytes of buffer `index`, from `aliasOffset` (bytes) on
  Pool,     ///< size known only when it is made: allocated by the runtime
};

struct Buffer {
  std::string name; ///< the ONNX tensor, for messages and profiles
  DType dtype = DType::Undefined;
  Dims dims;
  BufferKind kind = BufferKind::Arena;
  int32_t index = 0;
  SymbolicExpr aliasOffset;
  int32_t device = 0;      ///< 0: the host
  std::string memorySpace; ///< "" : the device's main memory
  /// Arena only: half-open lifetime in instruction numbers of the function
  /// (nested blocks count on, in order), and the offset when sizes are constant.
  int32_t lower = 0, upper = 0;
  std::optional<int64_t> offset;
};

struct Instruction;
using Block = std::vector<Instruction>;

/// Run a compiled kernel: `void kernel(void *const *buffers, const int64_t
/// *symbols, int64_t begin, int64_t end, void *workspace)` over all tasks
/// [0, product of grid), cut into ranges for the threads. The int64_t before
/// the workspace is 0; a kernel may put a fault there (Support/KernelFault.h).
struct Launch {
  int32_t kernel = 0; ///< index in Program::kernels
  std::vector<BufferId> buffers;
  std::vector<SymbolicExpr> symbols; ///< values of the kernel's index arguments
  std::vector<SymbolicExpr> grid;
  SymbolicExpr workspaceBytes; ///< for each thread, 64-byte aligned
};

/// An attribute whose expressions are not evaluated yet.
using AttributeExpr = std::variant<kernels::AttributeValue, std::vector<SymbolicExpr>, SymbolicExpr>;

/// Run a kernel of lib/Kernels. -1 in `inputs`: an absent operand. Outputs of
/// kind Pool get their shape from the kernel; their dims must be symbols, which
/// it defines.
struct Fallback {
  std::string op;
  std::vector<std::pair<std::string, AttributeExpr>> attributes;
  std::vector<BufferId> inputs, outputs;
};
/// dst and src have the same number of bytes (a move between devices, too).
struct Copy {
  BufferId source = 0, destination = 0;
};
/// symbols[i] = element i of an i64, i32 or bool buffer on the host.
struct BindSymbols {
  BufferId buffer = 0;
  std::vector<std::string> symbols;
};
/// Element i of an integer buffer = values[i].
struct FromDims {
  BufferId buffer = 0;
  std::vector<SymbolicExpr> values;
};
/// `relation` is "eq", "le" or "lt"; when it does not hold, the run fails with `message`.
struct Guard {
  std::string relation;
  SymbolicExpr lhs, rhs;
  std::string message;
};
/// Run functions[function]; its frame starts at `frameOffset` (buffer of kind Arena) in ours.
/// Its symbols are its own: `symbols` gives their values by the caller's.
struct Call {
  int32_t function = 0;
  std::vector<BufferId> arguments, results;
  BufferId frame = -1; ///< an Arena buffer of u8 with the callee's frame size; -1: none needed
  std::vector<std::pair<std::string, SymbolicExpr>> symbols;
};
/// Each block ends by copying its values into `results` (Copy instructions made by the compiler).
struct If {
  BufferId condition = 0;
  std::shared_ptr<Block> thenBlock, elseBlock;
};
/// Runs `body` while (the bool buffer `condition`, when not -1, is true) and the
/// iteration number, kept in the symbol `counter`, is below `tripCount` (when given).
/// The body itself updates the loop-carried buffers and `condition`.
struct Loop {
  BufferId condition = -1;
  std::optional<SymbolicExpr> tripCount;
  std::string counter;
  std::shared_ptr<Block> body;
};

struct Instruction {
  std::variant<Launch, Fallback, Copy, BindSymbols, FromDims, Guard, Call, If, Loop> op;
  std::string provenance; ///< names of the ONNX nodes, for messages and profiles
};

struct Argument {
  std::string name;
  DType dtype = DType::Undefined;
  Dims dims; ///< inputs: a plain symbol is bound by the caller's shape; any other expression is checked
};

struct Function {
  std::string name;
  std::vector<Argument> inputs, outputs;
  std::vector<Buffer> buffers;
  Block body;
  /// Frame size when all sizes are constant; else the runtime plans on the first run of a shape.
  std::optional<int64_t> frameBytes;
};

/// A compiled kernel: its symbol in the code object, and what a profile prints.
struct Kernel {
  std::string symbol;
  std::string kind;          ///< "map", "matmul", …
  std::string reason;        ///< why the fusion is as it is
  SymbolicExpr flops, bytes; ///< over the kernel's own index arguments "s0", "s1", …
  // Of a device's kernel (Device.h):
  int32_t threads = 0;                   ///< of a block
  int32_t outputs = 0;                   ///< of its buffers the last so many are written
  int64_t sharedBytes = 0;               ///< of a block, beside what the code declares
  bool takesWorkspace = false;           ///< and goes on to further points of the grid where there are fewer blocks
  std::vector<TensorMapPlan> tensorMaps; ///< of its last parameters, made at each launch
  /// Waits itself until all before it is done: it may be launched when the kernel before runs.
  bool startsEarly = false;
  /// Of a workspace, what each block hands on to another one; 0: blocks have nothing to do with each other.
  int64_t partialBytes = 0;
};

/// A weight as the program wants it. Without a `prepare` function it is the bytes of its source.
struct Weight {
  std::string name;
  DType dtype = DType::Undefined;
  std::vector<int64_t> shape;
  /// Source: a range of a file, or a pointer that the host owns ("host:KEY").
  /// An empty `file` is the weights section of the artifact itself.
  std::string file;
  int64_t offset = 0, length = 0;
  std::string encoding = "raw"; ///< see #bess.source
  /// Hash of the bytes, checked at load; 0: not checked. writeArtifact sets it
  /// (see Artifact.h for what it covers).
  uint64_t rangeHash = 0;
  /// Derived: result `derivedResult` of functions[derivedFunction] on these other weights (-1: not derived).
  int32_t derivedFunction = -1, derivedResult = 0;
  std::vector<int32_t> derivedFrom;
  /// Only read to make others: freed when the last of them is made.
  bool temporary = false;
};

struct Constant {
  DType dtype = DType::Undefined;
  std::vector<int64_t> shape;
  std::vector<uint8_t> bytes;
};

/// A cache that a run appends to: output `output` is input `input` with new elements behind it
/// along `axis`. Kernels take the output's rows as far apart as the symbol
/// Program::cacheCapacity says (in elements of the axis), and copy the input where
/// Program::cacheCopied is 1; so both may be one buffer.
struct AppendedCache {
  int32_t input = 0, output = 0, axis = 0;
};

struct Program {
  std::string target;                ///< "cpu"; "cuda:sm_80": kernels run on a device
  std::string triple;                ///< of the code object
  std::vector<std::string> features; ///< minimum ISA: names as in /proc/cpuinfo ("avx2", "fma", …)
  std::vector<Kernel> kernels;
  std::vector<Constant> constants;
  std::vector<Weight> weights;
  std::vector<Function> functions; ///< functions[0] is the entry
  /// Bounds and facts on symbols at entry ("seq <= 512"), checked when inputs are bound.
  std::vector<Guard> entryGuards;
  std::vector<AppendedCache> caches;
  std::string cacheCapacity, cacheCopied; ///< symbols that the runtime binds; "" without caches
  /// Bytes that an arena and the weights in memory may take together; 0: no limit.
  int64_t memoryLimit = 0;
  bool flushDenormals = true; ///< kernels take and give 0 for them
  std::vector<uint8_t> code;  ///< an ELF shared object that exports the kernels; of cuda PTX
  std::vector<uint8_t> cubin; ///< of cuda: the same, assembled; may be empty

  bool onDevice() const { return target.starts_with("cuda:"); }
};

} // namespace bessemer::runtime
