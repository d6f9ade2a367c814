#!/usr/bin/env bash
# Writes the root file system of a small image as a tar: busybox with a link for each of its commands.
# usage: busybox.sh OUT.tar     The same busybox gives the same bytes.
set -euo pipefail
out=${1:?usage: busybox.sh OUT.tar}
root=$(mktemp -d)
trap 'rm -rf "$root"' EXIT

busybox=$(command -v busybox) || { echo 'busybox.sh: busybox is missing; on Debian it is in the package busybox-static.' >&2; exit 3; }
umask 022
chmod 0755 "$root"
mkdir -p "$root"/{bin,dev,etc,home,proc,root,run,sys,tmp,usr/bin,usr/sbin,var/tmp}
chmod 0700 "$root/root"
chmod 1777 "$root/tmp" "$root/var/tmp"
cp "$busybox" "$root/bin/busybox"
for name in $("$busybox" --list); do
  [ "$name" = busybox ] || ln -s /bin/busybox "$root/bin/$name"
done
ln -s /bin/busybox "$root/usr/bin/env"
cat > "$root/etc/passwd" <<'PASSWD'
root:x:0:0:root:/root:/bin/sh
nobody:x:65534:65534:nobody:/nonexistent:/bin/false
PASSWD
cat > "$root/etc/group" <<'GROUP'
root:x:0:
tty:x:5:
nogroup:x:65534:
GROUP
printf 'hosts: files dns\n' > "$root/etc/nsswitch.conf"

tar -C "$root" -cf "$out" --sort=name --numeric-owner --owner=0 --group=0 --mtime=@1577836800 --format=pax \
  --pax-option=delete=atime,delete=ctime .
