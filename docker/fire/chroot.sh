#!/bin/sh
# chroot.sh ROOTFS.tar OUT.img: the chroot image (ext3) that a FIRE reconstructor mounts, from an exported container
# of the `root` stage: docker create --name x scanside:root && docker export -o ROOTFS.tar x
# The image is a quarter larger than its files, and 1 GiB, which is where the spool has room.
set -eu
[ $# -eq 2 ] || { sed -n '2,4s/^# //p' "$0" >&2; exit 2; }
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
tar -C "$folder" -xf "$1" --no-same-owner --exclude 'dev/*' --exclude 'proc/*' --exclude 'sys/*'
mkdir -p "$folder/dev" "$folder/proc" "$folder/sys" "$folder/tmp/share"
used=$(du -sm "$folder" | cut -f 1)
mke2fs -q -t ext3 -E root_owner=0:0 -L scanside -d "$folder" "$2" "$((used * 5 / 4 + 1024))M"
e2fsck -fn "$2" > /dev/null
