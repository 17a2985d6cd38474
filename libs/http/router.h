// Finds the route of a request on the raw target. A path template is literal
// segments and {names}; a path matches with and without one trailing slash.
// Literal segments win over {names}. Knows methods and paths, nothing of
// permissions.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace gatehouse::http {

struct Match {
  int route = -1;                  // Index given to Add; -1: none.
  bool path_known = false;         // The path exists with another method: 405.
  std::vector<std::string> allow;  // With path_known: its methods, HEAD included where GET is.
  std::vector<std::pair<std::string_view, std::string_view>> parameters;  // Raw, still encoded.
};

// Build once, then read from any thread.
class Router {
 public:
  Router();
  ~Router();

  // "/api/jobs/{id}/events/". Aborts on a duplicate (method, template).
  void Add(const std::string& method, const std::string& path_template, int route);

  // HEAD finds GET's route. `path` must outlive the match.
  Match Find(std::string_view method, std::string_view path) const;

 private:
  struct Node;
  std::unique_ptr<Node> root_;
};

}  // namespace gatehouse::http
