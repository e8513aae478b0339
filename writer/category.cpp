// The table of categories in use; see category.h. Pure.
#include "writer/category.h"

namespace s2::writer {

tl::expected<std::string_view, std::string> category_of(std::string_view type, std::string_view given) {
  if (type.empty()) return tl::unexpected<std::string>("the event has no type");
  for (std::string_view category : kCategories) {
    if (type.size() > category.size() && type[category.size()] == '_' && type.starts_with(category)) {
      return category;
    }
  }
  if (given.empty()) return tl::unexpected<std::string>("the event's type is not known: give it a category");
  for (std::string_view category : kCategories) {
    if (given == category) return category;
  }
  return tl::unexpected<std::string>("the event's category is not one of those that exist");
}

}  // namespace s2::writer
