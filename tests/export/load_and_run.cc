// Loads a SavedModel with the loader that TF Serving uses, in a program without Python, and runs its signatures.
//
//   load_and_run SAVED_MODEL REQUESTS ANSWERS
//
// REQUESTS and ANSWERS are TFRecord files of NamedTensorProto, named "signature/input" and "signature/output"; the
// inputs of one signature follow each other.

#include <iostream>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "tensorflow/cc/saved_model/loader.h"
#include "tensorflow/core/framework/tensor.h"
#include "tensorflow/core/lib/io/record_reader.h"
#include "tensorflow/core/lib/io/record_writer.h"
#include "tensorflow/core/platform/env.h"
#include "tensorflow/core/protobuf/named_tensor.pb.h"
#include "tensorflow/core/public/session.h"

namespace tf = tensorflow;

using Inputs = std::vector<std::pair<std::string, tf::Tensor>>;

tf::Status ReadRequests(const std::string& path, std::vector<std::pair<std::string, Inputs>>* requests) {
  std::unique_ptr<tf::RandomAccessFile> file;
  TF_RETURN_IF_ERROR(tf::Env::Default()->NewRandomAccessFile(path, &file));
  tf::io::SequentialRecordReader reader(file.get());
  tf::tstring record;
  while (reader.ReadRecord(&record).ok()) {
    tf::NamedTensorProto proto;
    tf::Tensor tensor;
    if (!proto.ParseFromString(std::string(record)) || !tensor.FromProto(proto.tensor())) {
      return absl::DataLossError("not a NamedTensorProto");
    }
    const auto slash = proto.name().find('/');
    const std::string signature = proto.name().substr(0, slash);
    if (requests->empty() || requests->back().first != signature) {
      requests->push_back({signature, {}});
    }
    requests->back().second.push_back({proto.name().substr(slash + 1), tensor});
  }
  return tf::OkStatus();
}

tf::Status Run(const std::string& model, const std::string& requests_path, const std::string& answers_path) {
  tf::SavedModelBundle bundle;
  tf::SessionOptions options;
  // As in the tests that compare: a descent carries the rounding of rewritten graphs on.
  options.config.mutable_graph_options()->mutable_rewrite_options()->set_disable_meta_optimizer(true);
  TF_RETURN_IF_ERROR(tf::LoadSavedModel(options, tf::RunOptions(), model, {"serve"}, &bundle));
  std::vector<std::pair<std::string, Inputs>> requests;
  TF_RETURN_IF_ERROR(ReadRequests(requests_path, &requests));
  std::unique_ptr<tf::WritableFile> file;
  TF_RETURN_IF_ERROR(tf::Env::Default()->NewWritableFile(answers_path, &file));
  tf::io::RecordWriter writer(file.get());
  for (const auto& [signature, inputs] : requests) {
    const auto& definition = bundle.GetSignatures().at(signature);
    Inputs feeds;
    for (const auto& [name, tensor] : inputs) {
      feeds.push_back({definition.inputs().at(name).name(), tensor});
    }
    std::vector<std::string> names, fetches;
    for (const auto& [name, info] : definition.outputs()) {
      names.push_back(name);
      fetches.push_back(info.name());
    }
    std::vector<tf::Tensor> outputs;
    TF_RETURN_IF_ERROR(bundle.session->Run(feeds, fetches, {}, &outputs));
    for (size_t i = 0; i < outputs.size(); ++i) {
      tf::NamedTensorProto proto;
      proto.set_name(signature + "/" + names[i]);
      outputs[i].AsProtoField(proto.mutable_tensor());
      TF_RETURN_IF_ERROR(writer.WriteRecord(proto.SerializeAsString()));
    }
  }
  return writer.Close();
}

int main(int argc, char** argv) {
  if (argc != 4) {
    std::cerr << "usage: load_and_run SAVED_MODEL REQUESTS ANSWERS\n";
    return 2;
  }
  const tf::Status status = Run(argv[1], argv[2], argv[3]);
  if (!status.ok()) {
    std::cerr << status.ToString() << "\n";
    return 1;
  }
  return 0;
}
