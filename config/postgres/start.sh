#!/bin/sh
# Starts PostgreSQL with postgresql.conf. It wants its key to be its own and nobody else's,
# which a mounted secret is not, so it gets a copy in memory.
set -eu
install -m 600 /run/secrets/postgres-certificate-key /run/postgresql/server.key
exec docker-entrypoint.sh postgres -c config_file=/usr/local/etc/postgres/postgresql.conf
