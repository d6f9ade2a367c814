#!/usr/bin/env bash
# Makes a checkout ready: installs the programs that are missing (apt-get, as root or through sudo), the npm packages of
# the lock file, and builds dist/.
# usage: tools/setup.sh [--tests] [--no-build]     --tests: also what the tests need.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

tests=no build=yes
for argument in "$@"; do
  case $argument in
    --tests) tests=yes ;;
    --no-build) build=no ;;
    *) echo "usage: tools/setup.sh [--tests] [--no-build]" >&2; exit 2 ;;
  esac
done
say() { printf '%s\n' "setup: $*" >&2; }

# A program and the Debian or Ubuntu package that has it.
programs='
unshare util-linux
setpriv util-linux
flock util-linux
nsenter util-linux
mount mount
tar tar
gzip gzip
xz xz-utils
bzip2 bzip2
git git
newuidmap uidmap
busybox busybox-static
ip iproute2
'
test_programs='
buildah buildah
crun crun
skopeo skopeo
umoci umoci
docker-registry docker-registry
mmdebstrap mmdebstrap
zstd zstd
useradd passwd
openssl openssl
ssh-add openssh-client
ssh-agent openssh-client
ldd libc-bin
ps procps
qemu-aarch64-static qemu-user-static
'
[ "$tests" = no ] || programs+=$test_programs

missing=()
while read -r program package; do
  [ -n "$program" ] || continue
  PATH=$PATH:/usr/sbin:/sbin command -v "$program" >/dev/null || missing+=("$package")
done <<< "$programs"

# What makes a command run as root; `false` where nothing does.
if [ "$(id -u)" = 0 ]; then root=(); elif sudo -n true 2>/dev/null; then root=(sudo -n); else root=(false); fi

if [ ${#missing[@]} -gt 0 ]; then
  mapfile -t missing < <(printf '%s\n' "${missing[@]}" | sort -u)
  if [ "${root[*]}" = false ]; then
    say "these packages are missing: ${missing[*]}"
    say "install them as root: apt-get install ${missing[*]}"
    exit 3
  fi
  command -v apt-get >/dev/null || { say "these programs are missing, and there is no apt-get: ${missing[*]}"; exit 3; }
  say "installing ${missing[*]}"
  "${root[@]}" apt-get update -qq
  "${root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${missing[@]}" >&2
fi

# Steps of other architectures run once an emulator is registered with the kernel, kept open (F) for every root. A package
# that was installed in a container has registered none; what is registered already stays as it is.
register_emulators() {
  local registry=/proc/sys/fs/binfmt_misc name line
  [ -e "$registry/register" ] || "${root[@]}" mount -t binfmt_misc binfmt_misc "$registry" 2>/dev/null || return 1
  for name in aarch64 arm x86_64; do
    line=/usr/lib/binfmt.d/qemu-$name.conf
    # There is none for the machine's own programs.
    [ -e "$line" ] && [ ! -e "$registry/qemu-$name" ] || continue
    say "registering the emulator for $name"
    "${root[@]}" sh -c 'cat "$1" > "$2"' sh "$line" "$registry/register" || return 1
  done
}
if [ "$tests" = yes ]; then
  register_emulators || say 'no emulator can be registered here: tests with other architectures are skipped'
fi

version=$(node -p 'process.versions.node' 2>/dev/null) || { say 'Node 20 or later is missing; see https://nodejs.org'; exit 3; }
[ "${version%%.*}" -ge 20 ] || { say "Node $version is too old; Node 20 or later is needed"; exit 3; }

# npm writes this file at the end of an installation; one that is newer than the lock file is complete.
if [ ! -e node_modules/.package-lock.json ] || [ package-lock.json -nt node_modules/.package-lock.json ]; then
  say 'installing npm packages'
  npm ci --no-audit --no-fund --loglevel=error >&2
fi
if [ "$build" = yes ]; then
  say 'building dist/'
  npm run --silent build >&2
fi
