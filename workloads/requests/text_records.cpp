#include "workloads/requests/text_records.hpp"

#include <algorithm>

namespace orrery {

namespace {

bool is_blank(std::string_view text) { return text.find_first_not_of(" \t\r\n") == std::string_view::npos; }

} // namespace

void TextRecords::feed(std::string_view piece) {
  if (!begun_)
    begin(piece);
  if (!begun_)
    return;
  if (list_)
    feed_list(piece);
  else
    feed_lines(piece);
}

/// Looks at the first character that says something: a byte order mark and white space say nothing.
void TextRecords::begin(std::string_view& piece) {
  for (; !piece.empty(); piece.remove_prefix(1)) {
    const char c = piece.front();
    const bool mark = c == '\xEF' || c == '\xBB' || c == '\xBF';
    if (c == '\n')
      ++line_;
    if (mark || c == ' ' || c == '\t' || c == '\r' || c == '\n')
      continue;
    begun_ = true;
    list_ = c == '[';
    if (list_)
      piece.remove_prefix(1);
    return;
  }
}

void TextRecords::keep(std::string_view text) {
  if (rest_.size() + text.size() > longest)
    too_long_ = true;
  rest_.append(text.substr(0, longest - std::min(rest_.size(), longest)));
}

void TextRecords::end_record() {
  if (too_long_ || !is_blank(rest_))
    sink_(rest_, record_line_, too_long_);
  rest_.clear();
  too_long_ = false;
}

void TextRecords::feed_lines(std::string_view piece) {
  for (;;) {
    const std::size_t end = piece.find('\n');
    if (rest_.empty())
      record_line_ = line_;
    if (end == std::string_view::npos)
      return keep(piece);
    if (rest_.empty() && end <= longest) { // the usual case: nothing is copied
      if (const std::string_view line = piece.substr(0, end); !is_blank(line))
        sink_(line, line_, false);
    } else {
      keep(piece.substr(0, end));
      end_record();
    }
    ++line_;
    piece.remove_prefix(end + 1);
  }
}

void TextRecords::feed_list(std::string_view piece) {
  std::size_t from = 0; // of the record, in this piece
  for (std::size_t i = 0; i < piece.size(); ++i) {
    const char c = piece[i];
    if (in_text_) {
      in_text_ = escaped_ || c != '"';
      escaped_ = !escaped_ && c == '\\';
    } else if (c == '"' && depth_ > 0) {
      in_text_ = true;
    } else if (c == '{' || (c == '[' && depth_ > 0)) {
      if (depth_++ == 0) {
        from = i;
        record_line_ = line_;
      }
    } else if ((c == '}' || c == ']') && depth_ > 0) {
      if (--depth_ == 0) {
        keep(piece.substr(from, i + 1 - from));
        end_record();
      }
    } else if (depth_ == 0) {
      take_between(c);
    }
    line_ += c == '\n' ? 1 : 0;
  }
  if (depth_ > 0)
    keep(piece.substr(from));
}

/// What stands between objects: one record for an item that is none.
void TextRecords::take_between(char c) {
  if (c == ',')
    stray_ = false;
  if (c == ',' || c == ']' || c == ' ' || c == '\t' || c == '\r' || c == '\n' || stray_)
    return;
  stray_ = true;
  sink_({&c, 1}, line_, false);
}

void TextRecords::finish() { end_record(); }

} // namespace orrery
