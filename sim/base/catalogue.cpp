#include "sim/base/catalogue.hpp"

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <map>

namespace orrery {

namespace {

namespace fs = std::filesystem;

/// The files of one folder and what was read of them so far.
class Folder {
public:
  explicit Folder(std::string folder) : folder_(std::move(folder)) {}

  std::optional<yaml::Node> find(const std::string& name, Diagnostics& diagnostics) {
    const auto own = std::find_if(files().begin(), files().end(), [&](const fs::path& file) { return file.stem() == name; });
    if (own != files().end()) {
      const yaml::Node* content = read(*own, diagnostics);
      if (content == nullptr || !is_list(*content))
        return content == nullptr ? std::nullopt : std::optional(*content);
    }
    for (const fs::path& file : files()) {
      const yaml::Node* content = read(file, diagnostics);
      if (content == nullptr)
        return std::nullopt;
      for (const yaml::Node& entry : entries(*content)) {
        if (name_of(entry) == name)
          return entry;
      }
    }
    return std::nullopt;
  }

  std::vector<std::string> names() {
    std::vector<std::string> names;
    Diagnostics unread; // a broken file is reported when one of its entries is asked for
    for (const fs::path& file : files()) {
      const yaml::Node* content = read(file, unread);
      if (content == nullptr || !is_list(*content)) {
        names.push_back(file.stem().string());
        continue;
      }
      for (const yaml::Node& entry : entries(*content))
        names.push_back(name_of(entry));
    }
    std::sort(names.begin(), names.end());
    return names;
  }

private:
  static bool is_list(const yaml::Node& content) {
    return content.is_map() && content.entries.size() == 1 && content.entries.front().value.is_sequence();
  }
  static const std::vector<yaml::Node>& entries(const yaml::Node& content) {
    static const std::vector<yaml::Node> none;
    return is_list(content) ? content.entries.front().value.items : none;
  }
  static std::string name_of(const yaml::Node& entry) {
    const yaml::Node* name = entry.is_map() ? entry.find("name") : nullptr;
    return name == nullptr ? std::string() : name->text;
  }

  const std::vector<fs::path>& files() {
    if (listed_)
      return files_;
    std::error_code error;
    for (const auto& file : fs::directory_iterator(fs::path(data_root()) / folder_, error)) {
      if (file.path().extension() == ".yaml")
        files_.push_back(file.path());
    }
    std::sort(files_.begin(), files_.end());
    listed_ = true;
    return files_;
  }

  const yaml::Node* read(const fs::path& file, Diagnostics& diagnostics) {
    const auto known = contents_.find(file);
    if (known != contents_.end())
      return &known->second;
    try {
      return &contents_.emplace(file, yaml::read_yaml_file(file.string())).first->second;
    } catch (const UserError& error) {
      diagnostics.append(error.diagnostics());
      return nullptr;
    }
  }

  std::string folder_;
  bool listed_ = false;
  std::vector<fs::path> files_;
  std::map<fs::path, yaml::Node> contents_;
};

std::optional<yaml::Node> read_own_file(const yaml::Node& name, Diagnostics& diagnostics) {
  try {
    return yaml::read_yaml_file(resolved_path(name.text, name.location));
  } catch (const UserError& error) {
    diagnostics.append(error.diagnostics());
    return std::nullopt;
  }
}

} // namespace

std::string data_root() {
  const char* given = std::getenv("ORRERY_ROOT");
  return given != nullptr && *given != '\0' ? given : ORRERY_SOURCE_DIR;
}

std::string resolved_path(const std::string& path, const Location& where) {
  const fs::path folder = fs::path(std::string(where.file_name())).parent_path();
  return (folder / path).lexically_normal().string(); // an absolute path replaces the folder
}

Catalogue folder_catalogue(std::string kind, std::string folder) {
  const auto files = std::make_shared<Folder>(std::move(folder));
  return Catalogue{.kind = std::move(kind),
                   .find = [files](const yaml::Node& name, Diagnostics& diagnostics) -> std::optional<yaml::Node> {
                     return name.text.ends_with(".yaml") ? read_own_file(name, diagnostics) : files->find(name.text, diagnostics);
                   },
                   .names = [files] { return files->names(); }};
}

} // namespace orrery
