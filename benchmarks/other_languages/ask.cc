// Asks a SavedModel for one row: ask MODEL SIGNATURE NAME TYPE SHAPE FILE [NAME TYPE SHAPE FILE ...]
#include <cstring>
#include <fstream>
#include <iostream>
#include <iterator>
#include <sstream>
#include <string>
#include <utility>
#include <vector>

#include "tensorflow/cc/saved_model/loader.h"
#include "tensorflow/core/framework/tensor.h"

namespace tf = tensorflow;

// Numbers are little-endian; a string is the whole content.
tf::Tensor read(const std::string& type, const std::string& shape, const std::string& file) {
  std::ifstream stream(file, std::ios::binary);
  std::string content((std::istreambuf_iterator<char>(stream)), std::istreambuf_iterator<char>());
  if (type == "string") {
    tf::Tensor one(tf::DT_STRING, tf::TensorShape({1}));
    one.flat<tf::tstring>()(0) = content;
    return one;
  }
  tf::TensorShape sizes;
  std::stringstream parts(shape);
  for (std::string size; std::getline(parts, size, ',');) sizes.AddDim(std::stoll(size));
  const tf::DataType dtype = type == "uint8" ? tf::DT_UINT8 : type == "int32" ? tf::DT_INT32 : tf::DT_FLOAT;
  tf::Tensor tensor(dtype, sizes);
  std::memcpy(tensor.data(), content.data(), content.size());
  return tensor;
}

int main(int count, char** arguments) {
  tf::SavedModelBundleLite model;
  absl::Status status = tf::LoadSavedModel({}, {}, arguments[1], {"serve"}, &model);
  if (!status.ok()) return std::cerr << status << "\n", 1;
  const tf::SignatureDef& signature = model.GetSignatures().at(arguments[2]);
  std::vector<std::pair<std::string, tf::Tensor>> inputs;
  for (int i = 3; i + 3 < count; i += 4)
    inputs.emplace_back(signature.inputs().at(arguments[i]).name(),
                        read(arguments[i + 1], arguments[i + 2], arguments[i + 3]));
  std::vector<std::string> names, tensors;
  for (const auto& [name, output] : signature.outputs())
    if (output.dtype() == tf::DT_FLOAT) names.push_back(name), tensors.push_back(output.name());
  std::vector<tf::Tensor> outputs;
  status = model.GetSession()->Run(inputs, tensors, {}, &outputs);
  if (!status.ok()) return std::cerr << status << "\n", 1;
  std::cout.precision(9);
  for (size_t i = 0; i < names.size(); ++i) {
    std::cout << (i ? "," : "{") << '"' << names[i] << "\":[";
    for (int64_t j = 0; j < outputs[i].NumElements(); ++j)
      std::cout << (j ? "," : "") << outputs[i].flat<float>()(j);
    std::cout << "]";
  }
  std::cout << "}\n";
}
