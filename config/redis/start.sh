#!/bin/sh
# Starts Redis with redis.conf and the password of REDIS_PASSWORD, which never appears in a command line.
exec redis-server - <<CONFIG
include /usr/local/etc/redis/redis.conf
requirepass ${REDIS_PASSWORD:?}
dir /data
CONFIG
