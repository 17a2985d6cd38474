// protoc plugin: writes <stem>.methods.h with one typed constant per RPC
// method, so that client and server name a method by `v1::Service::kMethod`
// and a wrong request type does not compile. It replaces the gRPC plugin's
// stubs, which cost seconds per including file and which libs/rpc does not use.
#include <google/protobuf/compiler/code_generator.h>
#include <google/protobuf/compiler/plugin.h>
#include <google/protobuf/descriptor.h>
#include <google/protobuf/io/printer.h>
#include <google/protobuf/io/zero_copy_stream.h>

#include <cstdint>
#include <memory>
#include <string>

namespace {

namespace pb = google::protobuf;

std::string Replace(std::string text, const std::string& from, const std::string& to) {
  for (size_t at = 0; (at = text.find(from, at)) != std::string::npos; at += to.size()) {
    text.replace(at, from.size(), to);
  }
  return text;
}

std::string CppType(const pb::Descriptor& message) {
  return "::" + Replace(message.full_name(), ".", "::");
}

const char* Kind(const pb::MethodDescriptor& method) {
  if (method.client_streaming()) return "BidiMethod";
  return method.server_streaming() ? "StreamMethod" : "Method";
}

class MethodsGenerator final : public pb::compiler::CodeGenerator {
 public:
  bool Generate(const pb::FileDescriptor* file, const std::string& /*parameter*/,
                pb::compiler::GeneratorContext* context, std::string* /*error*/) const override {
    const std::string stem = file->name().substr(0, file->name().size() - 6);
    std::unique_ptr<pb::io::ZeroCopyOutputStream> stream(context->Open(stem + ".methods.h"));
    pb::io::Printer out(stream.get(), '$');
    out.Print("// Generated from $file$.\n#pragma once\n\n#include \"$stem$.pb.h\"\n", "file",
              file->name(), "stem", stem);
    out.Print("#include \"libs/rpc/method.h\"\n\nnamespace $ns$ {\n", "ns",
              Replace(file->package(), ".", "::"));
    for (int i = 0; i < file->service_count(); ++i) PrintService(*file->service(i), out);
    out.Print("\n}  // namespace $ns$\n", "ns", Replace(file->package(), ".", "::"));
    return true;
  }

  uint64_t GetSupportedFeatures() const override { return FEATURE_PROTO3_OPTIONAL; }

 private:
  static void PrintService(const pb::ServiceDescriptor& service, pb::io::Printer& out) {
    out.Print("\nstruct $name$ {\n  static constexpr char kFullName[] = \"$full$\";\n", "name",
              service.name(), "full", service.full_name());
    for (int i = 0; i < service.method_count(); ++i) {
      const pb::MethodDescriptor& method = *service.method(i);
      out.Print(
          "  static constexpr ::gatehouse::rpc::$kind$<$request$, $response$>\n"
          "      k$name${\"/$full$/$name$\"};\n",
          "kind", Kind(method), "request", CppType(*method.input_type()), "response",
          CppType(*method.output_type()), "name", method.name(), "full", service.full_name());
    }
    out.Print("};\n");
  }
};

}  // namespace

int main(int argc, char** argv) {
  MethodsGenerator generator;
  return pb::compiler::PluginMain(argc, argv, &generator);
}
