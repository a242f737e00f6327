# shellcheck shell=bash
# What tools/quickstart, tools/check and .ci/run share; they source it. Goes to the repository root, installs what the build needs,
# configures, builds, tests. Long output goes to a file under build/ and is shown when a step fails.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

os_release=/etc/os-release
log=build/$(basename "$0").log
rm -f "$log"

# Debian's and Ubuntu's names; the libraries are those of cmake/Dependencies.cmake (tests/house/tools.sh compares).
packages=(gcc g++ libc6-dev cmake ninja-build pkg-config
  libdnnl-dev libjpeg-dev libpng-dev libyaml-dev libcyaml-dev libjansson-dev libpcre2-dev libutf8proc-dev libcairo2-dev libmatio-dev zlib1g-dev
  fonts-dejavu-core libcriterion-dev)

say() { printf '%s\n' "$*"; }
fail() {
  printf '%s\n' "$*" >&2
  exit 1
}

# step WHAT COMMAND...: one line for the person, the rest for the log; what went wrong is shown.
step() {
  say "$1 ..."
  shift
  mkdir -p build
  if ! "$@" >>"$log" 2>&1; then
    tail -n 40 "$log" >&2
    fail "failed: $* (all of it: $log)"
  fi
}

# The packages that are not installed, one a line.
missing_packages() {
  local installed
  installed=$(dpkg-query -W -f '${Package} ${db:Status-Status}\n' "${packages[@]}" 2>/dev/null || true)
  local package
  for package in "${packages[@]}"; do
    grep -qxF "$package installed" <<<"$installed" || say "$package"
  done
}

# True on a system whose packages are known to be there and new enough.
knows_system() {
  local id version like
  # shellcheck disable=SC1090
  id=$(. "$os_release" 2>/dev/null && echo "${ID:-}") || id=
  # shellcheck disable=SC1090
  version=$(. "$os_release" 2>/dev/null && echo "${VERSION_ID:-}") || version=
  # shellcheck disable=SC1090
  like=$(. "$os_release" 2>/dev/null && echo "${ID_LIKE:-}") || like=
  case $id in
    debian) [ -z "$version" ] || [ "${version%%.*}" -ge 12 ] ;; # testing has no number
    ubuntu) [ "${version%%.*}" -ge 24 ] ;;
    *) [[ " $like " == *" debian "* || " $like " == *" ubuntu "* ]] ;;
  esac
}

# Installs what is missing, or says what is missing and stops.
install_packages() {
  [ "${XREID_PACKAGES:-}" != present ] || return 0
  if ! knows_system; then
    fail "Packages are installed by this script on Debian 12, Ubuntu 24.04 and newer ones only. Here, install what these bring:
  ${packages[*]}
and run again with XREID_PACKAGES=present $0"
  fi
  local missing
  mapfile -t missing < <(missing_packages)
  [ ${#missing[@]} -gt 0 ] || return 0
  local as_root=()
  if [ "$(id -u)" != 0 ]; then
    if ! sudo -n true 2>/dev/null; then
      fail "These packages are missing; install them and run again:
  sudo apt-get install ${missing[*]}"
    fi
    as_root=(sudo)
  fi
  local apt=("${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get -y -o DPkg::Lock::Timeout=300)
  say "Installing ${#missing[@]} packages: ${missing[*]}"
  step "Reading the package lists" "${apt[@]}" update
  step "Installing" "${apt[@]}" install --no-install-recommends "${missing[@]}"
}

# build PRESET TARGET...: configures when that has not been done, builds the targets (none: everything).
build() {
  local preset=$1
  shift
  if command -v ccache >/dev/null; then export CMAKE_C_COMPILER_LAUNCHER=ccache; fi
  [ -f "build/$preset/build.ninja" ] || step "Configuring build/$preset" cmake --preset "$preset"
  local targets=()
  [ $# -eq 0 ] || targets=(--target "$@")
  step "Building build/$preset" cmake --build --preset "$preset" "${targets[@]}"
}

# run_tests PRESET [CTEST OPTION...]: the tests as ctest prints them; keeps its summary in $summary. Fails when a test does.
summary=
run_tests() {
  local preset=$1 output=build/$1/ctest.log result=0
  shift
  ctest --preset "$preset" -j "$(nproc)" "$@" | tee "$output" || result=1
  summary=$(grep -E '^[0-9]+% tests passed|No tests were found' "$output" || echo "ctest did not finish")
  [[ $summary != No* ]] || result=1
  return "$result"
}
