#!/bin/sh
# Serves the folder of the objects, encrypted. Keys go through the environment of this process alone.
set -eu

# Each line is `id,secret`. rclone reads a list of pairs as CSV, hence the quotes.
RCLONE_AUTH_KEY="$(sed 's/.*/"&"/' /run/secrets/storage-keys | paste -s -d , -)"
RCLONE_CONFIG_OBJECTS_TYPE=crypt
RCLONE_CONFIG_OBJECTS_REMOTE="$1"
RCLONE_CONFIG_OBJECTS_PASSWORD="$(rclone obscure - </run/secrets/storage-encryption-key)"
export RCLONE_AUTH_KEY RCLONE_CONFIG_OBJECTS_TYPE RCLONE_CONFIG_OBJECTS_REMOTE RCLONE_CONFIG_OBJECTS_PASSWORD

exec rclone serve s3 objects: --addr 0.0.0.0:9000 --vfs-cache-mode off
