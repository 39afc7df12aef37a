// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "bessemer/Algorithms/TunedSchedules.h"

#include <nlohmann/json.hpp>

#include <cmath>
#include <cstdio>

namespace bessemer {

using Json = nlohmann::ordered_json;

namespace {
constexpr std::pair<const char *, ProductEpilogue> epilogues[] = {{"none", ProductEpilogue::None},
                                                                  {"arithmetic", ProductEpilogue::Arithmetic},
                                                                  {"functions", ProductEpilogue::Functions}};

/// Reads an object and says the first thing that is wrong with it.
class Reader {
public:
  Reader(const Json &object, std::string what) : object(object), what(std::move(what)) {
    if (!object.is_object())
      fail("expected an object as " + this->what);
  }

  int64_t integer(const char *name, bool isOptional = false, int64_t most = int64_t{1} << 40) {
    const Json *value = find(name, isOptional);
    if (!value)
      return 0;
    if (!value->is_number_integer() || *value < 0 || *value > most)
      fail("expected an integer of 0 or more as '" + std::string(name) + "' of " + what + ", got " + value->dump());
    return ok() ? value->get<int64_t>() : 0;
  }
  bool boolean(const char *name) {
    const Json *value = find(name, false);
    if (value && !value->is_boolean())
      fail("expected true or false as '" + std::string(name) + "' of " + what + ", got " + value->dump());
    return value && ok() && value->get<bool>();
  }
  double number(const char *name) {
    const Json *value = find(name, true);
    if (value && (!value->is_number() || *value < 0))
      fail("expected a number of 0 or more as '" + std::string(name) + "' of " + what + ", got " + value->dump());
    return value && ok() ? value->get<double>() : 0;
  }
  std::string text(const char *name, bool isOptional) {
    const Json *value = find(name, isOptional);
    if (value && !value->is_string())
      fail("expected a text as '" + std::string(name) + "' of " + what + ", got " + value->dump());
    return value && ok() ? value->get<std::string>() : "";
  }
  const Json &child(const char *name) {
    static const Json nothing;
    const Json *value = find(name, false);
    return value ? *value : nothing;
  }
  /// No entry but those that were asked for.
  void finish() {
    if (ok())
      for (const auto &[name, value] : object.items())
        if (!known.count(name))
          fail("unknown entry '" + name + "' of " + what);
  }
  void fail(const std::string &message) {
    if (error.empty())
      error = message;
  }
  bool ok() const { return error.empty(); }

  std::string error;

private:
  const Json *find(const char *name, bool isOptional) {
    known[name] = true;
    auto it = ok() ? object.find(name) : object.end();
    if (ok() && it == object.end() && !isOptional)
      fail("expected '" + std::string(name) + "' in " + what);
    return ok() && it != object.end() ? &*it : nullptr;
  }

  const Json &object;
  std::string what;
  std::map<std::string, bool> known;
};

Json productJson(const GpuMatmulShape &shape, ProductEpilogue epilogue) {
  Json product = {{"batches", *shape.batches},
                  {"rows", *shape.rows},
                  {"columns", *shape.columns},
                  {"depth", *shape.depth},
                  {"instruction", instructionName(shape.instruction)},
                  {"element_bytes", shape.elementBytes},
                  {"result_bytes", shape.resultBytes ? shape.resultBytes : shape.elementBytes},
                  {"transpose_a", shape.transposedA},
                  {"transpose_b", shape.transposedB}};
  for (const auto &[name, value] : epilogues)
    if (value == epilogue)
      product["epilogue"] = name;
  return product;
}

Json toJson(const GpuMatmulSchedule &schedule) {
  Json json = {{"instruction", instructionName(schedule.instruction)}};
  for (const GpuScheduleField &field : gpuScheduleFields)
    if (!field.isOptional || schedule.*field.field)
      json[field.name] = schedule.*field.field;
  return json;
}

std::optional<NamedProduct> readProduct(const Json &json, std::string &error) {
  Reader reader(json, "a product");
  NamedProduct product;
  GpuMatmulShape &shape = product.shape;
  shape.batches = reader.integer("batches");
  shape.rows = reader.integer("rows");
  shape.columns = reader.integer("columns");
  shape.depth = reader.integer("depth");
  std::string instruction = reader.text("instruction", false), epilogue = reader.text("epilogue", false);
  shape.elementBytes = reader.integer("element_bytes");
  shape.resultBytes = reader.integer("result_bytes");
  shape.transposedA = reader.boolean("transpose_a");
  shape.transposedB = reader.boolean("transpose_b");
  reader.finish();
  if (std::optional<MatmulInstruction> known = parseInstruction(instruction); known && !isWgmma(*known))
    shape.instruction = *known;
  else
    reader.fail("expected mma_half, mma_tf32 or fma as the instruction of a product, got '" + instruction + "'");
  bool isKnown = false;
  for (const auto &[name, value] : epilogues)
    if (epilogue == name)
      product.epilogue = value, isKnown = true;
  if (!isKnown)
    reader.fail("expected none, arithmetic or functions as the epilogue of a product, got '" + epilogue + "'");
  for (int64_t bytes : {shape.elementBytes, shape.resultBytes})
    if (bytes != 2 && bytes != 4)
      reader.fail("expected elements of 2 or 4 bytes in a product, got " + std::to_string(bytes));
  error = reader.error;
  shape.bulkOperands = copyEngineFits(shape);
  shape.mayStream = true;
  return reader.ok() ? std::optional(product) : std::nullopt;
}

std::optional<GpuMatmulSchedule> readSchedule(const Json &json, std::string &error) {
  Reader reader(json, "a schedule");
  GpuMatmulSchedule schedule;
  std::string instruction = reader.text("instruction", false);
  for (const GpuScheduleField &field : gpuScheduleFields)
    schedule.*field.field = reader.integer(field.name, field.isOptional, 1 << 20);
  reader.finish();
  if (std::optional<MatmulInstruction> known = parseInstruction(instruction))
    schedule.instruction = *known;
  else
    reader.fail("expected an instruction in a schedule, got '" + instruction + "'");
  error = reader.error;
  return reader.ok() ? std::optional(schedule) : std::nullopt;
}

std::optional<TunedProduct> readTuned(const Json &json, const GpuMachine &machine, std::string &error) {
  Reader reader(json, "an entry");
  TunedProduct tuned;
  const Json &product = reader.child("product"), &schedule = reader.child("schedule");
  tuned.parts = reader.integer("parts");
  tuned.partDepth = reader.integer("part_depth", true);
  tuned.seconds = reader.number("seconds");
  tuned.modelSeconds = reader.number("model_seconds");
  tuned.model = reader.text("model", true);
  tuned.device = reader.text("device", true);
  tuned.date = reader.text("date", true);
  reader.finish();
  error = reader.error;
  if (!reader.ok())
    return std::nullopt;
  std::optional<NamedProduct> named = readProduct(product, error);
  std::optional<GpuMatmulSchedule> read = named ? readSchedule(schedule, error) : std::nullopt;
  if (!read)
    return std::nullopt;
  tuned.product = *named;
  tuned.schedule = *read;
  error = checkGpuProduct(tuned.product, {tuned.parts, tuned.partDepth, tuned.schedule, 0}, machine);
  return error.empty() ? std::optional(tuned) : std::nullopt;
}

std::string microseconds(double seconds) {
  char text[32];
  std::snprintf(text, sizeof text, "%.2f us", seconds * 1e6);
  return text;
}
} // namespace

std::string productText(const GpuMatmulShape &shape, ProductEpilogue epilogue) {
  return productJson(shape, epilogue).dump();
}

std::optional<NamedProduct> parseProduct(std::string_view text, std::string &error) {
  Json json = Json::parse(text, nullptr, /*allow_exceptions=*/false);
  return readProduct(json, error);
}

std::string scheduleJson(const GpuMatmulSchedule &schedule) { return toJson(schedule).dump(); }

std::string TunedProduct::reason() const {
  std::string text = "tuned: ";
  if (parts > 1)
    text += std::to_string(parts) + " parts of " + std::to_string(partDepth) + " of the depth, ";
  text += scheduleText(schedule);
  if (seconds > 0)
    text += ": " + microseconds(seconds) + " measured" + (device.empty() ? "" : " on " + device) +
            (date.empty() ? "" : ", " + date);
  if (!model.empty())
    text += "; the model would choose " + model + (modelSeconds > 0 ? ": " + microseconds(modelSeconds) : "");
  return text;
}

TunedSchedules TunedSchedules::parse(std::string_view text, const GpuMachine &machine,
                                     std::vector<std::string> &problems) {
  TunedSchedules tuned;
  Json json = Json::parse(text, nullptr, /*allow_exceptions=*/false);
  const Json *list = json.is_object() && json.contains("products") ? &json["products"] : nullptr;
  if (!list || !list->is_array()) {
    problems.push_back("expected a JSON object with a list of 'products'");
    return tuned;
  }
  size_t index = 0;
  for (const Json &entry : *list) {
    std::string error;
    if (std::optional<TunedProduct> product = readTuned(entry, machine, error))
      tuned.add(*product);
    else
      problems.push_back("entry " + std::to_string(index) + ": " + error);
    ++index;
  }
  return tuned;
}

std::string TunedSchedules::json(const std::string &target) const {
  std::string text = "{\"target\": " + Json(target).dump() + ", \"products\": [";
  const char *separator = "\n ";
  for (const auto &[name, tuned] : products) {
    Json entry = {{"product", productJson(tuned.product.shape, tuned.product.epilogue)}, {"parts", tuned.parts}};
    if (tuned.parts > 1)
      entry["part_depth"] = tuned.partDepth;
    entry["schedule"] = toJson(tuned.schedule);
    entry["seconds"] = tuned.seconds;
    entry["model"] = tuned.model;
    entry["model_seconds"] = tuned.modelSeconds;
    entry["device"] = tuned.device;
    entry["date"] = tuned.date;
    text += separator + entry.dump(-1, ' ', false, Json::error_handler_t::replace);
    separator = ",\n ";
  }
  return text + "]}\n";
}

void TunedSchedules::add(const TunedProduct &tuned) {
  std::string key = productText(tuned.product.shape, tuned.product.epilogue);
  products.insert_or_assign(key, tuned);
  if (tuned.parts == 1)
    return;
  GpuMatmulShape part = partShape(tuned.product.shape, tuned.parts, tuned.partDepth);
  parts.insert_or_assign(productText(part, ProductEpilogue::None), tuned);
}

const TunedProduct *TunedSchedules::find(const GpuMatmulShape &shape, ProductEpilogue epilogue) const {
  if (products.empty() || !isNamed(shape))
    return nullptr;
  for (ProductEpilogue wanted :
       {epilogue, ProductEpilogue::None, ProductEpilogue::Arithmetic, ProductEpilogue::Functions})
    if (auto it = products.find(productText(shape, wanted)); it != products.end())
      return &it->second;
  return nullptr;
}

const TunedProduct *TunedSchedules::findParts(const GpuMatmulShape &part) const {
  if (parts.empty() || !isNamed(part))
    return nullptr;
  auto it = parts.find(productText(part, ProductEpilogue::None));
  return it == parts.end() ? nullptr : &it->second;
}

} // namespace bessemer
