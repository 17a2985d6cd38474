// The edge and the proxies that it is compared with, each before an upstream of its
// own that notes what reached it as a whole request.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

namespace gatehouse::differential {

// A request as an upstream understood it.
struct Seen {
  std::string method;
  std::string target;
  std::string body;
  bool operator==(const Seen&) const = default;
};
std::string ToText(const Seen& seen);

// One proxy under comparison, with its upstream. Started by the constructor.
class Subject {
 public:
  virtual ~Subject() = default;
  virtual const std::string& name() const = 0;
  // A connected socket to it, or -1.
  virtual int Connect() const = 0;
  // What its upstream has seen of a sample, in order.
  virtual std::vector<Seen> SeenOf(const std::string& id) const = 0;
};

// The edge; then nginx, haproxy and Node. Those whose program is not installed are left
// out; `*missing` names them.
std::vector<std::unique_ptr<Subject>> StartSubjects(std::string* missing);

}  // namespace gatehouse::differential
