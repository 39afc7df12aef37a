// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Makes a module that fails smaller, as long as it still fails:
//   bessemer-reduce bad.mlir --test='bessemer-opt --bessemer-fuse' --message='expected' -o small.mlir
// (MLIR's own reducer, mlirReduceMain, ends with a signal on graphs: it clones ops whose operands it has erased.)
#include "bessemer/Driver/Reduce.h"
#include "bessemer/Driver/Register.h"
#include "tools/RequestExit.h"

#include "mlir/IR/MLIRContext.h"
#include "mlir/Parser/Parser.h"
#include "mlir/Support/FileUtilities.h"
#include "llvm/Support/CommandLine.h"
#include "llvm/Support/InitLLVM.h"
#include "llvm/Support/ToolOutputFile.h"

using namespace llvm;

int main(int argc, char **argv) {
  bessemer::refuseWithExitCode2(argc, argv);
  InitLLVM init(argc, argv);
  mlir::DialectRegistry registry;
  bessemer::registerAllDialects(registry);
  mlir::MLIRContext context(registry);
  cl::OptionCategory category("Options of bessemer-reduce");
  cl::opt<std::string> input(cl::Positional, cl::desc("FILE.mlir"), cl::Required, cl::cat(category));
  cl::opt<std::string> output("o", cl::init("-"), cl::value_desc("FILE"),
                              cl::desc("where the small module goes (stdout)"), cl::cat(category));
  bessemer::ReduceOptions options;
  cl::opt<std::string, true> command(
      "test", cl::location(options.command), cl::value_desc("COMMAND"), cl::Required,
      cl::desc("what fails: a shell command that gets the file as its last word, or where "
               "{} stands; it must keep its exit code"),
      cl::cat(category));
  cl::opt<std::string, true> message("message", cl::location(options.message), cl::value_desc("TEXT"),
                                     cl::desc("and what its output must hold"), cl::cat(category));
  cl::opt<unsigned, true> timeout(
      "timeout", cl::location(options.timeoutSeconds), cl::init(60), cl::value_desc("SECONDS"),
      cl::desc("for one run of the command; one that takes longer does not count"), cl::cat(category));
  cl::HideUnrelatedOptions(category);
  if (!cl::ParseCommandLineOptions(argc, argv, "bessemer-reduce: the smallest module that still fails\n", &errs()))
    return 2;
  bessemer::requestUnderstood();
  // Only the form of a module that somebody is about to debug matters, not its verifiers.
  mlir::OwningOpRef<mlir::ModuleOp> module = mlir::parseSourceFile<mlir::ModuleOp>(input, &context);
  if (!module)
    return 2;
  std::string error;
  if (!bessemer::reduceModule(module, options, error)) {
    errs() << "bessemer-reduce: error: " << error << "\n";
    return 2;
  }
  std::unique_ptr<ToolOutputFile> file = mlir::openOutputFile(output, &error);
  if (!file) {
    errs() << "bessemer-reduce: error: " << error << "\n";
    return 2;
  }
  module->print(file->os());
  file->os() << "\n";
  file->keep();
  return 0;
}
