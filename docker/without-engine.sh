#!/usr/bin/env bash
# without-engine.sh ROOT STATE COMMAND...: a command in an image's files as `docker run --read-only --cap-drop ALL --user
# 10001 --network host` would run it, where no engine is; as root. ROOT is what `buildah mount` says, or an unpacked image.
# Own mounts, processes and shared memory; no capability, no new privileges; only STATE, /tmp and /run/scanside are written.
set -euo pipefail
[ $# -ge 3 ] || { sed -n '2,4s/^# //p' "$0" >&2; exit 2; }
root=$1 state=$2
shift 2
install -d -m 0700 -o 10001 -g 10001 "$state"
# shellcheck disable=SC2016
exec unshare --mount --pid --ipc --fork --kill-child bash -c '
set -euo pipefail
root=$1 state=$2
shift 2
at=$(realpath "$root")
mount --bind "$at" "$at"
mount -o remount,bind,ro "$at"
mount -t proc proc "$at/proc"
mount -t tmpfs -o mode=0755,size=1m dev "$at/dev"
for each in null zero full random urandom tty; do touch "$at/dev/$each"; mount --bind "/dev/$each" "$at/dev/$each"; done
mkdir "$at/dev/shm"
mount -t tmpfs -o mode=1777,size=2g shm "$at/dev/shm"
ln -s /proc/self/fd "$at/dev/fd"
mount -t tmpfs -o mode=1777 tmp "$at/tmp"
mount -t tmpfs -o mode=0700,uid=10001,gid=10001 run "$at/run/scanside"
mount --bind "$state" "$at/var/lib/scanside"
exec /usr/bin/env -i PATH=/opt/scanside/bin:/usr/bin:/bin PYTHONSAFEPATH=1 PYTHONUNBUFFERED=1 \
  SCANSIDE_STATE=/var/lib/scanside SCANSIDE_RUN=/run/scanside SCANSIDE_LOG=json /usr/sbin/chroot "$at" \
  setpriv --reuid 10001 --regid 10001 --clear-groups --no-new-privs --bounding-set=-all --inh-caps=-all "$@"
' bash "$root" "$state" "$@"
