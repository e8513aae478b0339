// UTF-8 and base64: known answers, all characters, and every way to be wrong.
#include "wire/text.h"

#include <gtest/gtest.h>

#include "tests/wire/damage.h"
#include "wire/json.h"

namespace s2::wire {
namespace {

using generators::Exact;

TEST(Utf8, EveryCharacterIsValidAndNoSurrogateIs) {
  for (std::uint32_t code_point = 0; code_point <= 0x10FFFF; ++code_point) {
    std::string text;
    append_utf8(text, code_point);
    ASSERT_EQ(is_utf8(text), code_point < 0xD800 || code_point > 0xDFFF) << code_point;
  }
}

// Unicode 15, table 3-8 and 3-11, and the examples of section 3.9.
TEST(Utf8, EachMaximalInvalidPartIsOneReplacement) {
  const auto marked = [](std::string_view bytes) {
    std::string text = utf8_lossy(Exact(bytes).view());
    for (std::size_t at = 0; (at = text.find(kReplacementCharacter, at)) != std::string::npos;)
      text.replace(at, 3, "?");
    return text;
  };
  EXPECT_EQ(marked("\x61\xF1\x80\x80\xE1\x80\xC2\x62\x80\x63\x80\xBF\x64"), "a???b?c??d");
  EXPECT_EQ(marked("\xC0\xAF\xE0\x80\xBF\xF0\x81\x82\x41"), "????????A");
  EXPECT_EQ(marked("\xED\xA0\x80\xED\xBF\xBF\xED\xAF\x41"), "????????A");
  EXPECT_EQ(marked("\xF4\x91\x92\x93\xFF\x41\x80\xBF\x42"), "?????A??B");
  EXPECT_EQ(marked("\xE1\x80\xE2\xF0\x91\x92\xF1\xBF\x41"), "????A");
  EXPECT_EQ(marked("ok\xE2\x82"), "ok?");
  EXPECT_EQ(marked("0123456789abcdef\xC3"), "0123456789abcdef?");
  EXPECT_EQ(marked(""), "");
}

TEST(Utf8, LossyIsValidAndLeavesValidAlone) {
  ASSERT_TRUE(rc::check([] {
    const std::string text = *generators::text();
    RC_ASSERT(is_utf8(text));
    RC_ASSERT(utf8_lossy(text) == text);
    const Exact bytes(*generators::bytes());
    const std::string lossy = utf8_lossy(bytes.view());
    RC_ASSERT(is_utf8(lossy));
    RC_ASSERT((lossy == bytes.view()) == is_utf8(bytes.view()));
  }));
}

TEST(Utf8, ASpecialByteIsSeenAtEveryPlaceOfAWord) {
  for (std::size_t size = 1; size <= 20; ++size) {
    for (std::size_t at = 0; at < size; ++at) {
      std::string text(size, 'a');
      for (const char special : {'"', '\\', '\n', '\0', '\x1f'}) {
        text[at] = special;
        EXPECT_EQ(json_plain_run_end(text, 0), at);
      }
      text[at] = '\xff';
      EXPECT_FALSE(is_utf8(text));
      std::string json;
      append_json_string(json, text);
      EXPECT_EQ(json, "\"" + utf8_lossy(text) + "\"");
    }
  }
}

// RFC 4648 section 10.
TEST(Base64, HasTheAnswersOfTheRfc) {
  const std::pair<const char*, const char*> vectors[] = {{"", ""},
                                                         {"f", "Zg=="},
                                                         {"fo", "Zm8="},
                                                         {"foo", "Zm9v"},
                                                         {"foob", "Zm9vYg=="},
                                                         {"fooba", "Zm9vYmE="},
                                                         {"foobar", "Zm9vYmFy"}};
  for (const auto& [bytes, text] : vectors) {
    EXPECT_EQ(base64_encode(bytes), text);
    EXPECT_EQ(base64_decode(text), bytes);
  }
  EXPECT_EQ(base64_encode("\xfb\xff\xfe"), "+//+");
}

TEST(Base64, OtherSpellingsAreRefused) {
  for (const char* text : {"Zg", "Zg=", "Zg===", "Z===", "====", "=", "Zm9v=", "Zm9vYg==Zm9v", "Zh==", "Zm9=",
                           "Zm-v", "Zm_v", "Zm9v\n", " Zm9v", "Zm 9", "Z=g=", "\xff\xff\xff\xff"})
    EXPECT_EQ(base64_decode(Exact(text).view()), std::nullopt) << text;
  EXPECT_EQ(base64_decode(std::string_view("Zm9\0", 4)), std::nullopt);
}

TEST(Base64, RoundTripAndOneSpellingOnly) {
  ASSERT_TRUE(rc::check([] {
    const std::string bytes = *generators::bytes();
    RC_ASSERT(base64_decode(base64_encode(bytes)) == bytes);
    const Exact text(generators::damaged(base64_encode(bytes)));
    if (const auto read = base64_decode(text.view())) RC_ASSERT(base64_encode(*read) == text.view());
  }));
}

}  // namespace
}  // namespace s2::wire
