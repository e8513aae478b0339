// gzip and zstd, whole bodies, with a limit on what comes out.
//
// Pure; any thread. A bomb, a torn body or trailing garbage is an error of the kind that the caller names
// (bad_frame inside an s2s frame, bad_header for a Content-Encoding).
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

#include "wire/error.h"

namespace s2::wire {

enum class Compression { none, zstd, gzip };

std::string compress(Compression how, std::string_view bytes);
Decoded<std::string> decompress(Compression how, std::string_view bytes, std::size_t limit_bytes,
                                DecodeErrorKind kind);

// A Content-Encoding value: "", "identity", "gzip", "zstd"; anything else is bad_header.
Decoded<Compression> compression_from_content_encoding(std::string_view value);
// The best of zstd, gzip, none that an Accept-Encoding value takes (q=0 refuses; "*" takes all).
Compression best_accepted(std::string_view accept_encoding);

}  // namespace s2::wire
