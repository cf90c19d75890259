#!/bin/sh
# Can this user write the blob store of STAGEPOST_BLOBS? Ends with 1 and a line
# that says what to do if not. Pods run it before the program: a volume that obeys
# no fsGroup (NFS) belongs to whom its server says.
set -u
folder=${STAGEPOST_BLOBS#file:}
mine="$(id -u):$(id -g)"
probe="$folder/.check-blobs-$(hostname)-$$"

say() {
	echo "$folder $1" >&2
	exit 1
}
[ -d "$folder" ] || say "is no folder: is the volume mounted?"
owner=$(stat -c 'it belongs to %u:%g with mode %a' "$folder")
(: >"$probe") 2>/dev/null ||
	say "cannot be written by $mine: $owner. Where the volume obeys no fsGroup, give it to $mine at its server, or by k8s/prepare"
trap 'rm -f "$probe"' EXIT
dd if=/dev/zero of="$probe" bs=1 count=1 conv=fsync 2>/dev/null || say "takes no byte that is synced: is it full?"
# What an earlier installation left there may be another user's.
alien=$(find "$folder" -mindepth 1 -maxdepth 2 -type d ! -writable -print -quit)
[ -z "$alien" ] || say "has a folder that $mine cannot write: $alien"
