#!/bin/sh
# Can this user write to the blob store of STAGEPOST_BLOBS? If not, exits with
# status 1 and a line that says what to do. Pods run this before the program:
# the owner of a volume that ignores fsGroup (NFS) is set by its server.
set -u
folder=${STAGEPOST_BLOBS#file:}
mine="$(id -u):$(id -g)"
probe="$folder/.check-blobs-$(hostname)-$$"

say() {
	echo "$folder $1" >&2
	exit 1
}
[ -d "$folder" ] || say "is not a folder: is the volume mounted?"
owner=$(stat -c 'it belongs to %u:%g with mode %a' "$folder")
(: >"$probe") 2>/dev/null ||
	say "cannot be written by $mine: $owner. If the volume ignores fsGroup, make $mine its owner on its server, or with k8s/prepare"
trap 'rm -f "$probe"' EXIT
dd if=/dev/zero of="$probe" bs=1 count=1 conv=fsync 2>/dev/null || say "does not accept a synced byte: is it full?"
# Files of an earlier installation may belong to another user.
alien=$(find "$folder" -mindepth 1 -maxdepth 2 -type d ! -writable -print -quit)
[ -z "$alien" ] || say "has a folder that $mine cannot write: $alien"
