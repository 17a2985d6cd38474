// The pages /docs and /redoc and what they load, taken into the program when it was
// built (pages/bundle.py). Only bytes: routes_documents.cc serves them.
#pragma once

#include <span>
#include <string_view>

namespace gatehouse::gateway {

struct PageAsset {
  std::string_view name;  // "docs.html", or with the hash of its content: "docs.0a1b….js"
  std::string_view type;  // Content-Type
  std::string_view hash;
  std::string_view plain;
  std::string_view gzip;  // The same, compressed.
};

std::span<const PageAsset> PageAssets();

}  // namespace gatehouse::gateway
