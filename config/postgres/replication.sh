#!/bin/sh
# In development: backups stream from PostgreSQL, which its image allows on its own machine only. Sourced by the image.
echo 'host replication all all scram-sha-256' >>"$PGDATA/pg_hba.conf"
