// Catalogues of descriptions as YAML files under the data root: `<root>/<folder>/*.yaml`. A file holds one entry, a map whose `name` is the
// file's stem, or several as a list under a single key. A name that ends in .yaml is a file of the user's own, relative to the file that
// names it.
#pragma once

#include "sim/base/params_shape.hpp"

#include <string>

namespace orrery {

/// The folder that holds the project's catalogues and scenarios: $ORRERY_ROOT where that is set, else the checkout that was built.
std::string data_root();

/// `path` as written in the file at `where`: relative paths start from that file's folder.
std::string resolved_path(const std::string& path, const Location& where);

/// The catalogue of `kind` ("device") in a folder below the data root ("hardware/catalogue/devices"). Files are read once each.
Catalogue folder_catalogue(std::string kind, std::string folder);

} // namespace orrery
