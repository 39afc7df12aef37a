// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "lib/Import/NodeOrder.h"

#include "llvm/ADT/DenseSet.h"

#include <queue>

using namespace mlir;
using namespace bessemer;
using namespace bessemer::import;

std::string import::describeNode(const proto::Node &node, unsigned index) {
  std::string text =
      node.name.empty() ? "node #" + std::to_string(index + 1) : "node \"" + std::string(node.name) + "\"";
  return text + " (" + std::string(node.opType) + ")";
}

using Names = llvm::DenseSet<StringRef>;

static void collectUses(const proto::Node &node, Names &uses);

/// What a subgraph reads from the graphs around it.
static void collectCaptures(const proto::Graph &graph, Names &uses) {
  Names local, used;
  for (const proto::ValueInfo &input : graph.inputs)
    local.insert(ref(input.name));
  for (const proto::Tensor &initializer : graph.initializers)
    local.insert(ref(initializer.name));
  for (const proto::SparseTensor &initializer : graph.sparseInitializers)
    if (initializer.values)
      local.insert(ref(initializer.values->name));
  for (const proto::Node &node : graph.nodes) {
    for (proto::Bytes output : node.outputs)
      local.insert(ref(output));
    collectUses(node, used);
  }
  for (const proto::ValueInfo &output : graph.outputs)
    used.insert(ref(output.name));
  for (StringRef name : used)
    if (!local.contains(name))
      uses.insert(name);
}

static void collectUses(const proto::Node &node, Names &uses) {
  for (proto::Bytes input : node.inputs)
    uses.insert(ref(input));
  for (const proto::Attribute &attr : node.attributes) {
    for (const proto::Graph &graph : attr.graph)
      collectCaptures(graph, uses);
    for (const proto::Graph &graph : attr.graphs)
      collectCaptures(graph, uses);
  }
}

/// Walks backwards over nodes that are not done until one comes twice.
static void reportCycle(ImportContext &ctx, const proto::Graph &graph, ArrayRef<std::vector<unsigned>> sources,
                        ArrayRef<unsigned> waiting) {
  unsigned at = 0;
  while (waiting[at] == 0)
    ++at;
  std::vector<int> place(graph.nodes.size(), -1);
  std::vector<unsigned> path;
  while (place[at] < 0) {
    place[at] = int(path.size());
    path.push_back(at);
    at = *llvm::find_if(sources[at], [&](unsigned source) { return waiting[source] != 0; });
  }
  path.erase(path.begin(), path.begin() + place[at]);
  const proto::Node &node = graph.nodes[at];
  InFlightDiagnostic diagnostic = ctx.error(ref(node.name), at + 1);
  diagnostic << describeNode(node, at) << ": the graph has a cycle: it reads its own output";
  if (path.size() > 1)
    diagnostic << " through ";
  ArrayRef<unsigned> through = ArrayRef<unsigned>(path).drop_front();
  llvm::interleaveComma(through.take_front(8), diagnostic,
                        [&](unsigned index) { diagnostic << describeNode(graph.nodes[index], index); });
  if (through.size() > 8)
    diagnostic << " and " << through.size() - 8 << " more";
}

FailureOr<std::vector<unsigned>> import::orderNodes(ImportContext &ctx, const proto::Graph &graph) {
  size_t count = graph.nodes.size();
  llvm::DenseMap<StringRef, unsigned> producer;
  for (auto [i, node] : llvm::enumerate(graph.nodes))
    for (proto::Bytes output : node.outputs)
      if (!output.empty())
        producer.try_emplace(ref(output), unsigned(i));

  std::vector<std::vector<unsigned>> sources(count), users(count);
  std::vector<unsigned> waiting(count, 0);
  for (auto [i, node] : llvm::enumerate(graph.nodes)) {
    Names uses;
    collectUses(node, uses);
    for (StringRef name : uses) {
      auto found = producer.find(name);
      if (found == producer.end())
        continue;
      sources[i].push_back(found->second);
      users[found->second].push_back(unsigned(i));
      ++waiting[i];
    }
    llvm::sort(sources[i]); // the set above has no order of its own
  }

  std::priority_queue<unsigned, std::vector<unsigned>, std::greater<>> ready;
  for (size_t i = 0; i < count; ++i)
    if (waiting[i] == 0)
      ready.push(unsigned(i));
  std::vector<unsigned> order;
  while (!ready.empty()) {
    unsigned next = ready.top();
    ready.pop();
    order.push_back(next);
    for (unsigned user : users[next])
      if (--waiting[user] == 0)
        ready.push(user);
  }
  if (order.size() == count)
    return order;
  reportCycle(ctx, graph, sources, waiting);
  return failure();
}
