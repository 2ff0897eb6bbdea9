"""The rotations that there are; `*` in a name is a service.

| rotation      | how the old credential and the new one live side by side                          |
| ------------- | --------------------------------------------------------------------------------- |
| jwt           | the new key is believed, then it signs, then the old one is believed no longer     |
| s3            | the storage takes two keys                                                         |
| *-postgres    | two logins, *_1 and *_2                                                            |
| *-rabbitmq    | two users, *_1 and *_2                                                             |
| *-redis       | one user with two passwords                                                        |
| postgres      | no service uses the owner's password, and sessions survive its change              |
| redis         | no service uses the administrator's password                                       |
| rabbitmq      | as for redis                                                                       |
| *-certificate | sessions keep the old certificate, new ones get the new                            |
| internal-ca   | both authorities are believed while the certificates change                        |
| backup        | the repository takes two keys                                                      |
"""

from groundplan.secrets.kinds import backups, keys, postgres, rabbitmq, redis, tls
from groundplan.secrets.kinds.base import Kind

KINDS: dict[str, Kind] = {
    "jwt": keys.Jwt(),
    "s3": keys.Storage(),
    "*-postgres": postgres.Login(),
    "*-rabbitmq": rabbitmq.User(),
    "*-redis": redis.Password(),
    "postgres": postgres.Owner(),
    "redis": redis.Admin(),
    "rabbitmq": rabbitmq.Admin(),
    "*-certificate": tls.Certificate(),
    "internal-ca": tls.Authority(),
    "backup": backups.Repository(),
}
