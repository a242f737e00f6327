#!/usr/bin/env bash
# libxreid as somebody else builds against it: installed into a scratch folder that is then moved, examples/search.c by pkg-config and by
# CMake, the header as C and as C++, and the symbols that it exports.
# shellcheck source-path=SCRIPTDIR source=../support/synthetic.bash
. "$(dirname "$0")/../support/synthetic.bash"
[ -f "$XREID_BUILD/libxreid.so" ] || { echo "library: skipped, this build has none (the emulator)"; exit 77; }
cached() { sed -n "s/^$1:[A-Z]*=//p" "$XREID_BUILD/CMakeCache.txt"; }
cc=$(cached CMAKE_C_COMPILER)
flags=(-Wall -Wextra -Wpedantic -Werror)
sanitize=$(cached XREID_SANITIZE)
[ -z "$sanitize" ] || flags+=("-fsanitize=$sanitize" -g)

# ---- what it exports is what the header declares and the version script lists
header=$XREID_SOURCE/host/api/xreid.h
grep -oE '\bxreid_[a-z_]+\(' <(grep '^XREID_API' "$header") | tr -d '(' | sort -u >declared.txt
sed -nE 's/^ +(xreid_[a-z_]+);$/\1/p' "$XREID_SOURCE/host/api/xreid.map" | sort >listed.txt
nm -D --defined-only "$XREID_BUILD/libxreid.so" | sed -nE 's/^[0-9a-f]+ T ([^@]+)@@XREID_.*$/\1/p' | sort >exported.txt
cmp declared.txt listed.txt || { diff declared.txt listed.txt; fail "xreid.h and xreid.map differ"; }
cmp declared.txt exported.txt || { diff declared.txt exported.txt; fail "xreid.h and what is exported differ"; }
! nm -D --defined-only "$XREID_BUILD/libxreid.so" | grep -vE ' T xreid_|A XREID_|__(asan|ubsan|tsan)|_gcov' || fail "more is exported than functions of xreid.h"
readelf -d "$XREID_BUILD/libxreid.so" | grep -q 'SONAME.*libxreid\.so\.0' || fail "the soname"

# ---- installed, and moved
cmake --install "$XREID_BUILD" --prefix "$scratch/first" --component library >install.txt || { cat install.txt; fail "install"; }
mv first prefix
printf '#include <xreid.h>\nint main(void) { return xreid_version()[0] == 0; }\n' >include.c
cp include.c include.cpp
PKG_CONFIG_PATH=$(dirname "$(find "$scratch/prefix" -name xreid.pc)")
export PKG_CONFIG_PATH
read -ra compile <<<"$(pkg-config --cflags --libs xreid)"
lib=$(pkg-config --variable=libdir xreid)
[ "$("$XREID" --version)" = "xreid $(pkg-config --modversion xreid)" ] || fail "the version of xreid.pc"
"$cc" "${flags[@]}" -std=c99 include.c "${compile[@]}" -o include_c || fail "the header as C99"
if cxx=$(command -v c++); then "$cxx" "${flags[@]}" -std=c++11 include.cpp "${compile[@]}" -o include_cpp || fail "the header as C++11"; fi
"$cc" "${flags[@]}" "$XREID_SOURCE/examples/search.c" "${compile[@]}" -o search_pkgconfig || fail "the example by pkg-config"

mkdir project
cat >project/CMakeLists.txt <<'CMAKE'
cmake_minimum_required(VERSION 3.25)
project(example LANGUAGES C)
find_package(xreid 0.1 REQUIRED)
add_executable(search_cmake search.c)
target_link_libraries(search_cmake PRIVATE xreid::xreid)
CMAKE
cp "$XREID_SOURCE/examples/search.c" project
{ cmake -S project -B project/build -DCMAKE_PREFIX_PATH="$scratch/prefix" -DCMAKE_C_COMPILER="$cc" -DCMAKE_C_FLAGS="${flags[*]}" &&
  cmake --build project/build; } >cmake.txt 2>&1 || { cat cmake.txt; fail "the example by CMake"; }

# ---- and run: what xreid search finds
"$XREID" train "$config" "${small[@]}" train.epochs=1 train.max_steps=3 --out run >train.txt 2>train.log || { cat train.log; fail "training"; }
mapfile -t pictures < <(find data/imgs -name '*.jpg' | LC_ALL=C sort | head -n 20)
printf '%s\n' "${pictures[@]}" >list.txt
"$XREID" search --weights run --gallery list.txt --text "a man in a red shirt" --top 5 2>/dev/null | sed -nE 's/^ *([0-9]+) +(-?[0-9.]+)  (.*)$/\1 \2 \3/p' >expected.txt
[ "$(wc -l <expected.txt)" = 5 ] || fail "xreid search"
for program in ./search_pkgconfig project/build/search_cmake; do
  rm -rf search.index
  for _ in embedded kept; do
    LD_LIBRARY_PATH=$lib $program run "a man in a red shirt" "${pictures[@]}" >out.txt 2>err.txt || { cat err.txt; fail "$program"; }
    sed -E 's/^([0-9]+) +(-?[0-9.]+)  (.*)$/\1 \2 \3/' out.txt | cmp - expected.txt || { cat out.txt expected.txt; fail "$program finds something else"; }
    [ ! -s err.txt ] || { cat err.txt; fail "$program says something"; }
  done
done
! LD_LIBRARY_PATH=$lib ./search_pkgconfig nothing "a man" "${pictures[@]}" >out.txt 2>err.txt || fail "weights that are not there"
[ "$(cat err.txt)" = "nothing: nothing: No such file or directory" ] || { cat err.txt; fail "the message of the example"; }
echo "library: passed"
