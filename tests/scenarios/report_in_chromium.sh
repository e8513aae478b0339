#!/usr/bin/env bash
# Opens a report full of hostile event data in headless Chromium and asserts that all of it stayed text: no script ran,
# no element came out of the data, nothing was fetched.
#
#   report_in_chromium.sh BUILD/bin/scenarios_tests
#
# Exit code 0: it did; 1: it did not; 77: no Chromium here (skipped).
set -euo pipefail

tests=${1:?usage: report_in_chromium.sh BUILD/bin/scenarios_tests}
chromium=$(command -v chromium || command -v chromium-browser || command -v google-chrome || true)
if [ -z "$chromium" ]; then
  echo "skipped: no chromium on this machine"
  exit 77
fi
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT

S2_HOSTILE_REPORT_DIR=$dir "$tests" --gtest_filter=HostileReport.IsWrittenToDisk >"$dir/made.log" ||
  { cat "$dir/made.log"; exit 1; }

# The page as Chromium understood it, after scripts would have run. An alert() would block --dump-dom until the time-out.
timeout 60 "$chromium" --headless --no-sandbox --disable-gpu --user-data-dir="$dir/profile" --virtual-time-budget=3000 \
  --enable-logging=stderr --dump-dom "file://$dir/index.html" >"$dir/dom.html" 2>"$dir/log" ||
  { echo "chromium could not load the report"; tail -5 "$dir/log"; exit 1; }

fail=0
expect() { # what, extended regular expression, number of lines that may hold it
  local found
  found=$(grep -ciE "$2" "$dir/dom.html" || true)
  if [ "$found" -ne "$3" ]; then
    echo "failed: $1 (found $found, expected $3)"
    fail=1
  fi
}
expect "the title is the report's own" '<title>broken · last events</title>' 1
expect "no img element" '<img[ />]' 0
expect "no script element" '<script[ />]' 0
expect "one style element" '<style[ >]' 1
expect "no handler attribute on any element" '<[a-z][^<>]*[[:space:]]on[a-z]+=' 0
expect "no javascript: address" 'href="?javascript:' 0
grep -q '&lt;/script&gt;&lt;img src=x onerror=' "$dir/dom.html" || { echo "failed: the hostile text is not shown"; fail=1; }
grep -q 'owned' "$dir/log" && { echo "failed: chromium's log tells of it"; fail=1; }
[ "$fail" -eq 0 ] && echo "passed: hostile data stayed text in $("$chromium" --version 2>/dev/null)"
exit "$fail"
