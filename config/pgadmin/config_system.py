"""pgAdmin's settings in its container: it listens on this machine only, so nobody signs in."""

import os

SERVER_MODE = False
DESKTOP_USER = os.environ["PGADMIN_DEFAULT_EMAIL"]
MASTER_PASSWORD_REQUIRED = False
