#!/usr/bin/env bash
# tools/lib.sh installs every library the build asks for, and knows when it may not install anything.
set -euo pipefail
plan=$(mktemp -d)
trap 'rm -rf "$plan"' EXIT

wrong() {
  printf '%s\n' "$*"
  exit 1
}

# ---- the package list is the build's
# shellcheck source-path=SCRIPTDIR source=../../tools/lib.sh
names=$(. "$XREID_SOURCE/tools/lib.sh" && printf '%s\n' "${packages[@]}")
asked=$(grep -oE '\blib[a-z0-9+.-]+-dev\b|\bzlib1g-dev\b' "$XREID_SOURCE/cmake/Dependencies.cmake" | sort -u)
[ "$(wc -l <<<"$asked")" -ge 10 ] || wrong "cmake/Dependencies.cmake names too few packages: $asked"
for package in $asked; do
  grep -qxF "$package" <<<"$names" || wrong "tools/lib.sh does not install $package"
done

# ---- the Dockerfile builds presets that exist, copies from stages and files that exist, and installs packages of that list or those that
# the installed tree leaves to the system (cmake/Install.cmake)
dockerfile=$XREID_SOURCE/Dockerfile
presets=$(grep -oP -- '--preset \K[a-z0-9-]+' "$dockerfile" | sort -u)
[ "$(wc -l <<<"$presets")" -ge 2 ] || wrong "the Dockerfile names too few presets: $presets"
for preset in $presets; do
  [ "$(grep -oF "\"name\": \"$preset\"" "$XREID_SOURCE/CMakePresets.json" | wc -l)" -ge 2 ] || wrong "the Dockerfile: no preset $preset"
  grep -qF "build/$preset " "$dockerfile" || wrong "the Dockerfile does not install build/$preset"
done
stages=$(sed -nE 's/^FROM .* AS ([a-z-]+)$/\1/p' "$dockerfile")
[ "$(wc -l <<<"$stages")" = "$(grep -c '^FROM ' "$dockerfile")" ] || wrong "the Dockerfile has a stage without a name"
while read -r stage; do
  grep -qxF "$stage" <<<"$stages" || wrong "the Dockerfile: no stage $stage"
done < <(grep -oP -- '--from=\K\S+|^FROM \K[a-z]+-[a-z]+(?= )|--target \K\S+' "$dockerfile")
while read -r source; do
  [ -e "$XREID_SOURCE/$source" ] || wrong "the Dockerfile: no $source"
done < <(sed -nE 's/^COPY ([^-. ][^ ]*) .*/\1/p' "$dockerfile")
installed=$(grep -oP 'apt-get install -y --no-install-recommends \K.*(?= \\$)' "$dockerfile" | tr ' ' '\n' | sort -u)
[ -n "$installed" ] || wrong "the Dockerfile installs nothing"
for package in $installed; do
  grep -qxF "$package" <<<"$names"$'\n'fontconfig-config$'\n'libstdc++6 || wrong "the Dockerfile: tools/lib.sh has no $package"
done

# ---- what happens on other machines: the commands that would change this one are only written down
mkdir "$plan/bin"
printf '#!/bin/sh\nexit 1\n' >"$plan/bin/dpkg-query"
printf '#!/bin/sh\necho "apt-get $*" >>"%s"\n' "$plan/called" >"$plan/bin/apt-get"
# shellcheck disable=SC2016  # the written script expands it
printf '#!/bin/sh\n[ "$SUDO" = yes ] || exit 1\n[ "$1" != -n ] || shift\necho sudo >>"%s"\n"$@"\n' "$plan/called" >"$plan/bin/sudo"
# shellcheck disable=SC2016
printf '#!/bin/sh\necho "$USER_ID"\n' >"$plan/bin/id"
chmod +x "$plan"/bin/*

# installs OS-RELEASE USER_ID SUDO: runs install_packages there; what it says goes to $said, what it calls to $called.
installs() {
  rm -f "$plan/called"
  printf '%b' "$1" >"$plan/os-release"
  local result=0
  said=$(PATH="$plan/bin:$PATH" USER_ID=$2 SUDO=$3 XREID_PACKAGES='' PLAN=$plan bash -c '
    . "$XREID_SOURCE/tools/lib.sh"
    os_release=$PLAN/os-release
    log=$PLAN/log
    install_packages' tools/check 2>&1) || result=$?
  called=$(cat "$plan/called" 2>/dev/null || true)
  return $result
}

debian='ID=debian\nVERSION_ID="12"\n'
installs "$debian" 0 no || wrong "root on Debian 12: $said"
[[ $called == "apt-get -y "*" update"$'\n'"apt-get -y "*" install --no-install-recommends gcc "*libcriterion-dev ]] || wrong "root: $called"
installs "$debian" 1000 yes || wrong "a user with sudo: $said"
[[ $called == *sudo$'\n'"apt-get "*install* ]] || wrong "a user with sudo: $called"
if installs "$debian" 1000 no; then wrong "a user without sudo: $said"; fi
[[ -z $called && $said == *"sudo apt-get install gcc "* ]] || wrong "a user without sudo: $said $called"
installs 'ID=debian\nPRETTY_NAME="Debian testing"\n' 0 no || wrong "Debian testing: $said"
installs 'ID=ubuntu\nVERSION_ID="24.04"\nID_LIKE=debian\n' 0 no || wrong "Ubuntu 24.04: $said"
installs 'ID=linuxmint\nVERSION_ID="22"\nID_LIKE="ubuntu debian"\n' 0 no || wrong "a relative of Ubuntu: $said"
for other in 'ID=debian\nVERSION_ID="11"\n' 'ID=ubuntu\nVERSION_ID="22.04"\nID_LIKE=debian\n' 'ID=fedora\nVERSION_ID=41\n' ''; do
  if installs "$other" 0 no; then wrong "not stopped on $other: $said"; fi
  [[ -z $called && $said == *libcyaml-dev*"XREID_PACKAGES=present"* ]] || wrong "on $other: $said $called"
done
printf '#!/bin/sh\nexit 100\n' >"$plan/bin/apt-get"
if installs "$debian" 0 no; then wrong "apt-get failed, the script went on: $said"; fi
[[ $said == *"failed: env DEBIAN_FRONTEND=noninteractive apt-get"* ]] || wrong "apt-get failed: $said"
# shellcheck disable=SC2016
printf '#!/bin/sh\nfor p; do case $p in -*|*" "*) ;; *) echo "$p installed" ;; esac; done\n' >"$plan/bin/dpkg-query"
installs "$debian" 1000 no || wrong "everything is there: $said"
[ -z "$said" ] || wrong "everything is there: $said"
