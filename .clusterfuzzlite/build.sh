#!/bin/bash -eu
# Builds every target into $OUT with the environment's compiler, sanitizer and engine, its seeds beside it.
# The distribution's C++ libraries are built against libstdc++, so the targets are, too; the shared ones that the runner
# lacks go along in $OUT/lib.
export CXXFLAGS="${CXXFLAGS//-stdlib=libc++/}"
build=${WORK:-/tmp}/fuzz-$SANITIZER
cmake -S "$SRC/s2-last-events" -B "$build" -G Ninja -DCMAKE_BUILD_TYPE=None -DCMAKE_UNITY_BUILD=ON -DCMAKE_UNITY_BUILD_BATCH_SIZE=40 \
  -DFUZZ_TARGETS=ON -DWERROR=OFF \
  -DFUZZ_INSTRUMENTATION= -DLIB_FUZZING_ENGINE="$LIB_FUZZING_ENGINE"
cmake --build "$build" --target fuzz-targets
mkdir -p "$OUT/lib"
for program in "$build"/bin/fuzz_*; do
  target=$(basename "$program")
  cp "$program" "$OUT/$target"
  patchelf --set-rpath '$ORIGIN/lib' "$OUT/$target"
  ldd "$program" | awk '$3 ~ /^\// && $1 !~ /^(libc|libm|libdl|libpthread|librt|ld-linux.*)\.so/ {print $3}' | xargs -r cp -Lnt "$OUT/lib"
  (cd "$SRC/s2-last-events/fuzz/corpora/${target#fuzz_}" && zip -q "$OUT/${target}_seed_corpus.zip" ./*)
done
