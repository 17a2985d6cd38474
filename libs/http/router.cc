#include "libs/http/router.h"

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <map>

namespace gatehouse::http {

struct Router::Node {
  struct Route {
    std::string method;
    int index;
    std::vector<std::string> names;  // Of the {names} on the way, in order.
  };

  std::map<std::string, std::unique_ptr<Node>, std::less<>> literals;
  std::unique_ptr<Node> any;
  std::vector<Route> routes;
};

namespace {

// Cuts the next segment off `path`, which begins with "/". "/a/b/" has two
// segments and "/" has none; "//" has an empty one, which nothing matches.
bool NextSegment(std::string_view* path, std::string_view* segment) {
  if (path->empty() || *path == "/") return false;
  path->remove_prefix(1);
  *segment = path->substr(0, path->find('/'));
  path->remove_prefix(segment->size());
  return true;
}

bool IsName(std::string_view segment) {
  return segment.size() > 2 && segment.front() == '{' && segment.back() == '}';
}

}  // namespace

Router::Router() : root_(std::make_unique<Node>()) {}
Router::~Router() = default;

void Router::Add(const std::string& method, const std::string& path_template, int route) {
  Node* node = root_.get();
  std::vector<std::string> names;
  std::string_view rest = path_template;
  std::string_view segment;
  while (NextSegment(&rest, &segment)) {
    const bool is_name = IsName(segment);
    if (is_name) names.emplace_back(segment.substr(1, segment.size() - 2));
    std::unique_ptr<Node>& next = is_name ? node->any : node->literals[std::string(segment)];
    if (!next) next = std::make_unique<Node>();
    node = next.get();
  }
  for (const Node::Route& known : node->routes) {
    if (known.method != method) continue;
    std::fprintf(stderr, "duplicate route: %s %s\n", method.c_str(), path_template.c_str());
    std::abort();
  }
  node->routes.push_back({method, route, std::move(names)});
}

namespace {

// Depth first, literals before {names}. The depth is bounded by the templates,
// not by the path, so that no path can exhaust the stack.
template <typename Node>
const Node* Descend(const Node& node, std::string_view path,
                    std::vector<std::string_view>* values) {
  std::string_view segment;
  if (!NextSegment(&path, &segment)) return node.routes.empty() ? nullptr : &node;
  if (const auto literal = node.literals.find(segment); literal != node.literals.end()) {
    if (const Node* found = Descend(*literal->second, path, values)) return found;
  }
  if (!node.any || segment.empty()) return nullptr;
  values->push_back(segment);
  if (const Node* found = Descend(*node.any, path, values)) return found;
  values->pop_back();
  return nullptr;
}

}  // namespace

Match Router::Find(std::string_view method, std::string_view path) const {
  Match match;
  if (path.empty() || path.front() != '/') return match;
  std::vector<std::string_view> values;
  const Node* node = Descend(*root_, path, &values);
  if (node == nullptr) return match;

  const Node::Route* chosen = nullptr;
  for (const Node::Route& route : node->routes) {
    if (route.method == method) chosen = &route;
    if (route.method == "GET" && method == "HEAD" && chosen == nullptr) chosen = &route;
  }
  if (chosen == nullptr) {
    match.path_known = true;
    for (const Node::Route& route : node->routes) {
      match.allow.push_back(route.method);
      if (route.method == "GET") match.allow.push_back("HEAD");
    }
    std::sort(match.allow.begin(), match.allow.end());
    match.allow.erase(std::unique(match.allow.begin(), match.allow.end()), match.allow.end());
    return match;
  }
  match.route = chosen->index;
  for (std::size_t i = 0; i < values.size(); ++i) {
    match.parameters.emplace_back(chosen->names[i], values[i]);
  }
  return match;
}

}  // namespace gatehouse::http
