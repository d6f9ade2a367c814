#!/usr/bin/env bash
# Writes the root file system of a Node image as a tar: busybox, this machine's own node with the libraries that it is
# linked to, and a user "node" (1000). Nothing is downloaded.
# usage: node.sh OUT.tar
set -euo pipefail
out=${1:?usage: node.sh OUT.tar}
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
root=$(mktemp -d)
trap 'rm -rf "$root"' EXIT

"$here/busybox.sh" "$root/busybox.tar"
umask 022
mkdir "$root/tree"
tar -C "$root/tree" -xf "$root/busybox.tar"
mkdir -p "$root/tree/usr/local/bin" "$root/tree/home/node"
node=$(node -p process.execPath)
cp "$node" "$root/tree/usr/local/bin/node"
# Each line of ldd holds the path of one library; the loader has no arrow in front of it.
ldd "$node" | grep -o '/[^ ]*' | sort -u | while read -r library; do
  mkdir -p "$root/tree$(dirname "$library")"
  cp -L "$library" "$root/tree$library"
done
echo 'node:x:1000:1000:node:/home/node:/bin/sh' >> "$root/tree/etc/passwd"
echo 'node:x:1000:' >> "$root/tree/etc/group"

# The one directory that is not root's goes last, with an owner of its own.
pack() { tar -C "$root/tree" "$@" --sort=name --numeric-owner --mtime=@1577836800 --format=pax \
  --pax-option=delete=atime,delete=ctime; }
pack -cf "$out" --owner=0 --group=0 --exclude=./home/node .
pack -rf "$out" --owner=1000 --group=1000 ./home/node
