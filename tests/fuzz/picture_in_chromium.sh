#!/usr/bin/env bash
# Opens the picture of an execution whose names are hostile in headless Chromium, wide and narrow, and asserts that all of
# them stayed text.
#
#   picture_in_chromium.sh BUILD/bin/fuzz_tests [KEEP]     (a folder that keeps pages and screenshots)
#
# Exit code 0: it did; 1: it did not; 77: no Chromium here (skipped).
set -euo pipefail

tests=${1:?usage: picture_in_chromium.sh BUILD/bin/fuzz_tests [KEEP]}
chromium=$(command -v chromium || command -v chromium-browser || command -v google-chrome || true)
if [ -z "$chromium" ]; then
  echo "skipped: no chromium on this machine"
  exit 77
fi
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
S2_PICTURE_DIR=$dir "$tests" --gtest_filter=Picture.IsWrittenToDisk >"$dir/made.log" || { cat "$dir/made.log"; exit 1; }

open() { # page, arguments
  local page=$1
  shift
  timeout 60 "$chromium" --headless --no-sandbox --disable-gpu --hide-scrollbars --user-data-dir="$dir/profile" \
    --virtual-time-budget=3000 --enable-logging=stderr "$@" "file://$dir/$page.html" 2>>"$dir/log" ||
    { echo "chromium could not load $page"; tail -5 "$dir/log"; exit 1; }
}
open hostile --dump-dom >"$dir/dom.html"
for width in 1200 400; do
  for page in hostile writer abba; do open "$page" --window-size=$width,2400 --screenshot="$dir/$page-$width.png" >/dev/null; done
done

fail=0
never() { # what, extended regular expression
  if grep -qiE "$2" "$dir/dom.html"; then
    echo "failed: $1"
    fail=1
  fi
}
never "an img element" '<img[ />]'
never "a script element" '<script[ />]'
never "a handler attribute" '<[a-z][^<>]*[[:space:]]on[a-z]+='
[ "$(grep -c '<main>' "$dir/dom.html")" = 1 ] || { echo "failed: not one main element"; fail=1; }
grep -q '&lt;img src=x onerror=' "$dir/dom.html" || { echo "failed: the hostile text is not shown"; fail=1; }
grep -q 'owned' "$dir/log" && { echo "failed: chromium's log tells of it"; fail=1; }
for picture in "$dir"/*.png; do
  [ "$(stat -c %s "$picture")" -gt 10000 ] || { echo "failed: $picture is empty"; fail=1; }
done
if [ -n "${2:-}" ]; then mkdir -p "$2" && cp "$dir"/*.html "$dir"/*.png "$2"; fi
[ "$fail" -eq 0 ] && echo "passed: hostile names stayed text in $("$chromium" --version 2>/dev/null)"
exit "$fail"
