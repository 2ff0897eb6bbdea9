#!/bin/sh
# Starts Redis with the users of the secrets, as hashes: `api` for the API, `backup` for copies of everything,
# and `admin` for operators.
# A secret of two lines has two passwords, for the time of a rotation.
set -eu

passwords() {
  while read -r password || [ -n "$password" ]; do
    printf ' #%s' "$(printf %s "$password" | sha256sum | cut -d ' ' -f 1)"
  done <"/run/secrets/$1"
}

# Nobody can be `default`, but Redis itself is when it reads back what it wrote: without its rights every
# transaction, and with it every session, would be lost at each restart.
umask 077
cat >/run/redis/users.acl <<USERS
user default off resetpass resetchannels ~* -@all +@write
user api on$(passwords api-redis-password) resetchannels ~groundplan:* -@all +hello +auth +ping +client|setinfo +get +set +mget +del +expire +hset +hget +hmget +zadd +zrange +zremrangebyscore +time +lindex +llen +lpush +rpop +scan +eval +evalsha +script|load +multi +exec +discard
user backup on$(passwords backup-redis-password) resetchannels -@all +hello +auth +ping +client|setinfo +sync +psync +replconf
user admin on$(passwords redis-password) resetkeys resetchannels -@all +auth +hello +ping +info +acl +client|list +slowlog +latency +bgsave +lastsave
USERS

exec redis-server - <<CONFIG
include /usr/local/etc/redis/redis.conf
aclfile /run/redis/users.acl
protected-mode no
dir /data
CONFIG
